// What the bench found, as a table for people and as one JSON object for programs.
#pragma once
#include <string>
#include <vector>

#include "tools/bench/cases.h"
#include "tools/bench/ceilings.h"
#include "tools/bench/host_time.h"
#include "tools/bench/start_up.h"

namespace pagejit::bench {

struct Report {
  std::string device, target;
  bool emulated = false;
  Ceilings ceilings;
  std::vector<CaseResult> cases;
  HostTime host;
  StartUp start_up;
};

std::string as_table(const Report& report);
std::string as_json(const Report& report);

}  // namespace pagejit::bench
