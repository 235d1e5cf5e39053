#include "unit/cbpfc/optimizer/optimizer_support.h"
