/* The compensation of each cell's polarisation as it is written down: in double precision, with
 * exponentials, logarithms and a root for each cell. Nobody should do this on a chip that has no
 * floating point; it is here to show what it costs. */
#include "strategy.h"

#define GAS 8.314462618
#define FARADAY 96485.33212

#define LN2 0.69314718055994531
#define INVERSE_LN2 1.44269504088896341

enum { KNOTS = 6 };

static const double KNOT_DEGC[KNOTS] = {-10.0, 0.0, 10.0, 25.0, 40.0, 55.0};
static const double FAST_OHM_AH[KNOTS] = {52e-3, 33e-3, 27e-3, 17e-3, 11.6e-3, 7e-3};
static const double SLOW_OHM_AH[KNOTS] = {38e-3, 16e-3, 6.1e-3, 1.3e-3, 0.07e-3, 0.07e-3};

struct strategy {
    uint32_t bleeding;
    double slow_a;
    double at_s;
    bool has_begun;
};

const size_t strategy_size = sizeof(struct strategy);

void strategy_start(struct strategy *self) {
    *self = (struct strategy){0};
}

/* The bits of a double: 11 of exponent over 52 of mantissa. */
union number {
    double value;
    uint64_t bits;
};

static double power_of_two(int32_t exponent) {
    const union number number = {.bits = (uint64_t)(1023 + exponent) << 52};
    return number.value;
}

/* exp, logarithm and root are what C libraries for such chips have, in their algorithms and (the first
 * two) coefficients: Sun's fdlibm, e_exp.c and e_log.c, less what these arguments do not need. */
static double exponential(double x) {
    static const double P[] = {1.66666666666666019037e-01, -2.77777777770155933842e-03,
                               6.61375632143793436117e-05, -1.65339022054652515390e-06,
                               4.13813679705723846039e-08};
    const int32_t whole = (int32_t)(x * INVERSE_LN2 + (x < 0.0 ? -0.5 : 0.5));
    const double rest = x - whole * LN2;
    const double square = rest * rest;
    const double even =
        rest -
        square * (P[0] + square * (P[1] + square * (P[2] + square * (P[3] + square * P[4]))));
    return (1.0 + (rest * even / (2.0 - even) + rest)) * power_of_two(whole);
}

static double logarithm(double x) {
    static const double L[] = {6.666666666666735130e-01, 3.999999999940941908e-01,
                               2.857142874366239149e-01, 2.222219843214978396e-01,
                               1.818357216161805012e-01, 1.531383769920937332e-01,
                               1.479819860511658591e-01};
    union number number = {.value = x};
    int32_t whole = (int32_t)(number.bits >> 52) - 1023;
    number.bits = (number.bits & 0xFFFFFFFFFFFFFu) | (uint64_t)1023 << 52;
    if (number.value > 1.4142135623730951) { /* to 0.7 ... 1.4: the series is shortest around 1 */
        number.value *= 0.5;
        whole++;
    }
    const double above = number.value - 1.0;
    const double ratio = above / (2.0 + above);
    const double square = ratio * ratio;
    double sum = L[6];
    for (int32_t term = 5; term >= 0; term--) {
        sum = L[term] + square * sum;
    }
    return whole * LN2 + (above - ratio * (above - square * sum));
}

/* Newton for one over the root, which needs no division; the first guess halves the exponent. */
static double root(double x) {
    union number guess = {.value = x};
    guess.bits = 0x5FE6EB50C7B537A9u - (guess.bits >> 1);
    double inverse = guess.value;
    for (int32_t step = 0; step < 4; step++) {
        inverse *= 1.5 - 0.5 * x * inverse * inverse;
    }
    return x * inverse;
}

static double asinh_of(double x) {
    const double size = x < 0.0 ? -x : x;
    const double result = logarithm(size + root(size * size + 1.0));
    return x < 0.0 ? -result : result;
}

static double between_knots(double degc, const double table[KNOTS]) {
    if (degc <= KNOT_DEGC[0]) {
        return table[0];
    }
    for (uint32_t knot = 1; knot < KNOTS; knot++) {
        if (degc < KNOT_DEGC[knot]) {
            const double share =
                (degc - KNOT_DEGC[knot - 1]) / (KNOT_DEGC[knot] - KNOT_DEGC[knot - 1]);
            return table[knot - 1] + share * (table[knot] - table[knot - 1]);
        }
    }
    return table[KNOTS - 1];
}

static double transfer_v(double rate, double exchange, double activation, double kelvin) {
    const double inverse_k = 1.0 / kelvin - 1.0 / 298.15;
    const double at_kelvin = exchange * exponential(-activation / GAS * inverse_k);
    return 2.0 * GAS * kelvin / FARADAY * asinh_of(rate / (2.0 * at_kelvin));
}

static double polarisation_v(double rate, double slow_rate, double degc) {
    const double kelvin = degc + 273.15;
    const double inverse_k = 1.0 / kelvin - 1.0 / 298.15;
    const double series = 19.6e-3 * exponential(10.4e3 / GAS * inverse_k);
    return rate * (series + between_knots(degc, FAST_OHM_AH)) +
           slow_rate * between_knots(degc, SLOW_OHM_AH) +
           transfer_v(rate, 0.292, 54.7e3, kelvin) + transfer_v(rate, 0.586, 35.7e3, kelvin);
}

/* The mean of the known NTCs; false where there is none. */
static bool mean_of(const int16_t ntcs[NTCS], double *mean) {
    double sum = 0.0;
    uint32_t known = 0;
    for (uint32_t ntc = 0; ntc < NTCS; ntc++) {
        if (ntcs[ntc] != UNKNOWN_TEMPERATURE) {
            sum += 0.1 * ntcs[ntc];
            known++;
        }
    }
    *mean = known > 0 ? sum / known : 0.0;
    return known > 0;
}

static double ntc_degc(const int16_t ntcs[NTCS], uint32_t ntc, double mean) {
    return ntcs[ntc] == UNKNOWN_TEMPERATURE ? mean : 0.1 * ntcs[ntc];
}

static double cell_degc(const int16_t ntcs[NTCS], uint32_t cell, double mean) {
    uint32_t left = NTCS - 1;
    uint32_t places[NTCS];
    for (uint32_t ntc = 0; ntc < NTCS; ntc++) {
        places[ntc] = (2 * ntc * (CELLS - 1) + (NTCS - 1)) / (2 * (NTCS - 1));
    }
    while (left > 0 && places[left] > cell) {
        left--;
    }
    if (left == NTCS - 1) {
        return ntc_degc(ntcs, left, mean);
    }
    const double share = (double)(cell - places[left]) / (double)(places[left + 1] - places[left]);
    const double low = ntc_degc(ntcs, left, mean);
    return low + share * (ntc_degc(ntcs, left + 1, mean) - low);
}

static void follow(struct strategy *self, const struct observation *seen) {
    const double passed_s = self->has_begun ? seen->time_s - self->at_s : 0.0;
    const double now_a = 1e-3 * seen->milliamps;
    self->slow_a += (1.0 - exponential(-passed_s / 400.0)) * (now_a - self->slow_a);
    if (seen->milliamps == UNKNOWN_CURRENT) {
        self->slow_a = 0.0;
    }
    self->at_s = seen->time_s;
    self->has_begun = true;
}

static double size_of(double x) {
    return x < 0.0 ? -x : x;
}

/* Every known cell at rest, and the lowest of them; false where polarisations differ too much. */
static bool at_rest(const struct strategy *self, const struct observation *seen, double mean,
                    double volt[CELLS], double *floor) {
    double highest = -1e3;
    double lowest = 1e3;
    double least = 1e3;
    for (uint32_t cell = 0; cell < CELLS; cell++) {
        const double eta = polarisation_v(1e-3 * seen->milliamps / CAPACITY_AH,
                                          self->slow_a / CAPACITY_AH,
                                          cell_degc(seen->ntcs, cell, mean));
        highest = eta > highest ? eta : highest;
        lowest = eta < lowest ? eta : lowest;
        volt[cell] = 1e-4 * seen->cells[cell] + eta;
        least = seen->cells[cell] != UNKNOWN_VOLTAGE && volt[cell] < least ? volt[cell] : least;
    }
    const double larger = size_of(highest) > size_of(lowest) ? size_of(highest) : size_of(lowest);
    *floor = least + 2.0 * 0.05 * larger; /* the guard lifts both thresholds */
    return highest - lowest <= 0.010;
}

struct decision strategy_step(struct strategy *self, const struct observation *seen) {
    double volt[CELLS];
    double mean;
    double floor;
    uint32_t bleeding = 0;
    follow(self, seen);
    if (seen->milliamps != UNKNOWN_CURRENT && mean_of(seen->ntcs, &mean) &&
        at_rest(self, seen, mean, volt, &floor)) {
        for (uint32_t cell = 0; cell < CELLS; cell++) {
            const double excess = volt[cell] - floor;
            const bool goes_on = (self->bleeding >> cell & 1u) != 0 && excess >= 0.030;
            const bool is_known = seen->cells[cell] != UNKNOWN_VOLTAGE;
            bleeding |= (uint32_t)(is_known && (excess > 0.050 || goes_on)) << cell;
        }
    }
    self->bleeding = bleeding;
    return (struct decision){bleeding, 100, false};
}
