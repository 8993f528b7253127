// A command of pagejit-cache: its options, and what is then done. Each is a file of its own; main.cpp has the table.
#pragma once
#include <CLI/CLI.hpp>
#include <functional>
#include <string>

namespace pagejit::cache_tool {

/// What every command takes.
struct Common {
  std::string cache;  // a folder or a bundle; empty: the user's own
  bool json = false;
};

/// Gives the exit code.
using Body = std::function<int()>;

/// Adds the command's own options, which the body it gives will find filled in.
using Declare = Body(CLI::App& app, const Common& common);

Declare declare_stats, declare_list, declare_show, declare_explain, declare_diff, declare_extract, declare_verify,
    declare_trim, declare_clear, declare_pin, declare_unpin, declare_export, declare_import, declare_check,
    declare_doctor, declare_config, declare_report;

}  // namespace pagejit::cache_tool
