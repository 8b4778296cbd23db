/* How warm each cell is, as far as a few thermistors tell. */
#ifndef TEMPERATURES_H
#define TEMPERATURES_H

#include "strategy.h"

/* 0.01 degC a cell: linear between NTCs, one that is unknown taken for the mean of the others. False
 * where none is known. */
bool temperatures_of_cells(const int16_t ntcs[NTCS], int32_t centi_degc[CELLS]);

#endif
