// What the command line asks for.
#pragma once
#include <string>
#include <vector>

namespace pagejit::precompile {

struct Wish {
  std::vector<std::string> manifests, specs, models, targets, emit;  // as given; comma lists still whole
  std::vector<int> pages = {16, 64};
  std::vector<std::string> quants = {"none"};
  std::string cache, bundle, out, report;
  std::string failures = "pagejit-failures";  // folder for what helps to understand a failure
  int jobs = 0;                               // 0: PAGEJIT_JOBS, else as many as CPUs
  bool yes = false, keep_going = false, json = false;
};

}  // namespace pagejit::precompile
