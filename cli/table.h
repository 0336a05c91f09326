// Columns of text for people, as kubectl prints them.
#ifndef FRACTOS_CLI_TABLE_H_
#define FRACTOS_CLI_TABLE_H_

#include <string>
#include <vector>

#include "lib/base/clock.h"

namespace fractos {

// Rows of equally many cells, the first of them the headings. Columns are as wide as their widest
// cell, three spaces apart; nothing is cut. Empty cells are shown as "-".
std::string FormatTable(const std::vector<std::vector<std::string>>& rows);

// How long ago, in one or two units: "41s", "3m12s", "5h", "12d".
std::string FormatAge(Duration age);

}  // namespace fractos

#endif  // FRACTOS_CLI_TABLE_H_
