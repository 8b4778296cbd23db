#include "slcan.h"

#include <string.h>

enum { CR = '\r', BEL = '\a', NO_DIGIT = 16 };
enum { STANDARD_DIGITS = 3, EXTENDED_DIGITS = 8, STAMP_DIGITS = 4, MAX_DATA = 8 };

static const uint8_t VERSION[] = "V0200\r";
static const uint8_t SERIAL[] = "N0001\r";
static const uint8_t HEX[] = "0123456789ABCDEF";

/* --- digits ------------------------------------------------------------------------------------ */

static uint32_t digit_of(uint8_t letter) {
    if (letter >= '0' && letter <= '9') {
        return (uint32_t)letter - '0';
    }
    letter |= 0x20; /* lower case */
    return letter >= 'a' && letter <= 'f' ? (uint32_t)letter - 'a' + 10u : NO_DIGIT;
}

/* Read `digits` hexadecimal digits; false where there is any other letter. */
static bool read_hex(const uint8_t *text, uint32_t digits, uint32_t *value) {
    *value = 0;
    for (uint32_t i = 0; i < digits; i++) {
        uint32_t digit = digit_of(text[i]);
        if (digit == NO_DIGIT) {
            return false;
        }
        *value = *value << 4 | digit;
    }
    return true;
}

/* Write the lowest `digits` hexadecimal digits of `value`, and return what follows them. */
static uint8_t *write_hex(uint8_t *text, uint32_t digits, uint32_t value) {
    for (uint32_t i = digits; i-- > 0;) {
        *text++ = HEX[value >> (4 * i) & 0xF];
    }
    return text;
}

/* --- what a line says -------------------------------------------------------------------------- */

static void answer(struct slcan_heard *heard, const uint8_t *text, size_t size) {
    memcpy(heard->answer, text, size);
    heard->answer_bytes = (uint32_t)size;
}

static void say_yes(struct slcan_heard *heard) {
    heard->answer[0] = CR;
    heard->answer_bytes = 1;
}

/* Take a line as a frame; false for one that is not whole. A time stamp is read over. */
static bool read_frame(const struct slcan *self, struct bms_frame *frame) {
    const uint8_t *line = self->line;
    bool is_extended = line[0] == 'T' || line[0] == 'R';
    bool is_remote = line[0] == 'r' || line[0] == 'R';
    uint32_t digits = is_extended ? EXTENDED_DIGITS : STANDARD_DIGITS;
    uint32_t head = 1 + digits + 1;
    uint32_t unused;

    if (self->length < head || !read_hex(line + 1, digits, &frame->id) ||
        !read_hex(line + 1 + digits, 1, &frame->length) || frame->length > MAX_DATA ||
        frame->id > (is_extended ? 0x1FFFFFFFu : 0x7FFu)) {
        return false;
    }
    uint32_t end = head + (is_remote ? 0 : 2 * frame->length);
    if (self->length != end &&
        !(self->length == end + STAMP_DIGITS && read_hex(line + end, STAMP_DIGITS, &unused))) {
        return false;
    }
    for (uint32_t i = 0; head + 2 * i < end; i++) {
        uint32_t byte;
        if (!read_hex(line + head + 2 * i, 2, &byte)) {
            return false;
        }
        frame->data[i] = (uint8_t)byte;
    }
    return true;
}

/* A frame for the bus. */
static bool take_frame(struct slcan *self, struct slcan_heard *heard) {
    struct bms_frame frame = {0};
    uint8_t kind = self->line[0];
    if (!self->is_open || self->listens_only || !read_frame(self, &frame)) {
        return false;
    }
    if (self->bitrate != SLCAN_BITRATE) {
        self->flags |= SLCAN_BUS_ERROR;
    } else if (kind == 't') {
        heard->has_frame = true;
        heard->frame = frame;
    }
    heard->answer[0] = kind == 't' || kind == 'r' ? 'z' : 'Z';
    heard->answer[1] = CR;
    heard->answer_bytes = 2;
    return true;
}

static void read_flags(struct slcan *self, struct slcan_heard *heard) {
    heard->answer[0] = 'F';
    *write_hex(heard->answer + 1, 2, self->flags) = CR;
    heard->answer_bytes = 4;
    self->flags = 0;
}

/* A command of one letter; false refuses. */
static bool obey_letter(struct slcan *self, struct slcan_heard *heard) {
    uint8_t letter = self->line[0];
    switch (letter) {
    case 'V':
        answer(heard, VERSION, sizeof VERSION - 1);
        return true;
    case 'N':
        answer(heard, SERIAL, sizeof SERIAL - 1);
        return true;
    case 'O':
    case 'L':
        if (self->is_open || !self->has_bitrate) {
            return false;
        }
        self->is_open = true;
        self->listens_only = letter == 'L';
        break;
    case 'C':
        if (!self->is_open) {
            return false;
        }
        self->is_open = false;
        break;
    case 'F':
        if (!self->is_open) {
            return false;
        }
        read_flags(self, heard);
        return true;
    default:
        return false;
    }
    say_yes(heard);
    return true;
}

/* A command that sets something, a letter and a digit, while the channel is closed. */
static bool obey_setting(struct slcan *self, struct slcan_heard *heard) {
    uint8_t digit = self->line[1];
    if (self->is_open) {
        return false;
    }
    if (self->line[0] == 'S' && digit >= '0' && digit <= '8') {
        self->has_bitrate = true;
        self->bitrate = (uint8_t)(digit - '0');
    } else if (self->line[0] == 'Z' && (digit == '0' || digit == '1')) {
        self->stamps = digit == '1';
    } else {
        return false;
    }
    say_yes(heard);
    return true;
}

static bool obey(struct slcan *self, struct slcan_heard *heard) {
    if (self->is_overlong) {
        return false;
    }
    if (self->length == 1) {
        return obey_letter(self, heard);
    }
    if (self->length == 2) {
        return obey_setting(self, heard);
    }
    switch (self->length ? self->line[0] : 0) {
    case 't':
    case 'T':
    case 'r':
    case 'R':
        return take_frame(self, heard);
    default:
        return false;
    }
}

/* --- the two directions ------------------------------------------------------------------------ */

void slcan_hear(struct slcan *self, uint8_t byte, struct slcan_heard *heard) {
    heard->has_frame = false;
    heard->answer_bytes = 0;
    if (byte != CR && byte != BEL) {
        if (self->length < SLCAN_LINE) {
            self->line[self->length++] = byte;
        } else {
            self->is_overlong = true;
        }
        return;
    }
    /* BEL ends a line too, as noise: what it ends is no command */
    if (byte == BEL || !obey(self, heard)) {
        heard->answer[0] = BEL;
        heard->answer_bytes = 1;
    }
    self->length = 0;
    self->is_overlong = false;
}

size_t slcan_say(struct slcan *self, const struct bms_frame *frame, uint64_t now_us,
                 uint8_t line[SLCAN_LINE]) {
    uint8_t *end = line;
    if (!self->is_open) {
        return 0;
    }
    if (self->bitrate != SLCAN_BITRATE) {
        self->flags |= SLCAN_BUS_ERROR;
        return 0;
    }
    *end++ = 't';
    end = write_hex(end, STANDARD_DIGITS, frame->id);
    end = write_hex(end, 1, frame->length);
    for (uint32_t i = 0; i < frame->length; i++) {
        end = write_hex(end, 2, frame->data[i]);
    }
    if (self->stamps) {
        end = write_hex(end, STAMP_DIGITS, (uint32_t)(now_us / 1000 % 60000)); /* of its minute */
    }
    *end++ = CR;
    return (size_t)(end - line);
}
