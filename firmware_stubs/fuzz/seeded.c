/* The same target without libFuzzer: `count` inputs drawn from `seed`, for any compiler that has the
 * sanitizers. Prints how many it tried; a finding ends the program.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LONGEST = 2048 };

/* xorshift64*: Vigna, 2016. */
static uint64_t drawn(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545F4914F6CDD1Du;
}

int main(int count, char **words) {
    static uint8_t input[LONGEST];
    const unsigned long inputs = count > 1 ? strtoul(words[1], NULL, 10) : 1000;
    uint64_t state = (count > 2 ? strtoul(words[2], NULL, 10) : 1) * 2 + 1;
    for (unsigned long tried = 0; tried < inputs; tried++) {
        const size_t size = (size_t)(drawn(&state) % LONGEST);
        for (size_t k = 0; k < size; k++) {
            input[k] = (uint8_t)(drawn(&state) >> 56);
        }
        LLVMFuzzerTestOneInput(input, size);
    }
    printf("%lu inputs tried\n", inputs);
    return 0;
}
