// What a fuzz target is, and how it says that a promise was broken. See README.md.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/error.h"

namespace pagejit::fuzz {

// Each *_fuzz.cpp defines these two and becomes a program of its own.

/// Gives `input` to a parser; false where it is refused as it should be. What it accepts is checked further. Any other
/// end (expect(), another exception, a signal, a sanitizer) is a finding.
bool accepts(std::string_view input);
/// Inputs that are accepted, made by today's writers: so they cannot become stale.
std::vector<std::string> seeds();

/// `--write-seeds FOLDER` as the whole command line: writes them, and ends the process.
void write_seeds_if_asked(int argc, char** argv);

/// Ends the process, so that a fuzzer keeps the input.
void expect(bool holds, std::string_view promise);

/// True where `act` returns, false where it throws an Error of this code.
template <class Act>
bool taken(Code refusal, Act&& act) {
  try {
    act();
    return true;
  } catch (const Error& e) {
    if (e.code() != refusal) throw;
    return false;
  }
}

/// The bytes of an entry with lengths, offsets and hashes made right wherever that is possible, as somebody would who
/// wants to be believed: so inputs get past the checksums, and to what lies behind them.
std::string entry_made_right(std::string bytes);

}  // namespace pagejit::fuzz
