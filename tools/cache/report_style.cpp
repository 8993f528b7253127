#include "tools/cache/report_page.h"

namespace pagejit::cache_tool {
namespace {

// Contrast to the page is at least 4.5 for text and 3 for bars, in light and in dark.
constexpr char style[] = R"(<style>
:root{color-scheme:light dark;--page:#fbfbf9;--card:#fff;--ink:#22231f;--dim:#63655e;--line:#deded6;--bar:#3d6fb4;
--bar-rgb:61,111,180;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--page:#161715;--card:#1e1f1d;--ink:#e8e8e2;--dim:#a8aaa2;--line:#383934;
--bar:#7aa7e6;--bar-rgb:122,167,230;--bad:#ff8a80}}
*{box-sizing:border-box}
body{background:var(--page);color:var(--ink);font:15px/1.5 system-ui,sans-serif;max-width:1200px;margin:0 auto;padding:1.5rem 1rem 3rem}
h1{font-size:1.6rem;margin:0}h2{font-size:1.15rem;margin:2.2rem 0 .8rem}
header p{color:var(--dim);margin:.2rem 0 1.4rem;overflow-wrap:anywhere}
.none,.unit,.shared{color:var(--dim);margin:.3rem 0}
.tiles{display:grid;gap:.7rem;grid-template-columns:repeat(auto-fit,minmax(120px,1fr));margin:0}
.tiles div,figure,details{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:.7rem .9rem;margin:0}
.tiles dd{font-size:1.45rem;font-weight:650;line-height:1.3;margin:0}.tiles dt{color:var(--dim);font-size:13px}
.tiles div{display:flex;flex-direction:column-reverse;justify-content:flex-end}.tiles .bad dd{color:var(--bad)}
.charts{display:grid;gap:.8rem;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr))}
.charts figure{min-width:0}figcaption{font-weight:600;margin-bottom:.6rem}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}th{font-weight:500;text-align:left}
.bars th,.bars td{padding:.16rem 0;font-size:13px}.bars th{width:1%;white-space:nowrap;padding-right:.7rem}
.bars th{min-width:7rem}.bars td:last-child{width:1%;white-space:nowrap;padding-left:.6rem;text-align:right}
.bars i,.columns i{display:block;background:var(--bar);border-radius:3px}.bars i{height:.85rem}
.columns{display:flex;gap:3px;height:170px;list-style:none;margin:0;padding:0}
.columns li{flex:1;min-width:0;display:flex;flex-direction:column;justify-content:flex-end;text-align:center;font-size:12px}
.columns i{flex:none;height:calc((100% - 2.9rem)*var(--part));border-radius:3px 3px 0 0}.columns span{line-height:1.3}
.columns b{font-weight:400;color:var(--dim);border-top:1px solid var(--line);font-size:11px;height:1.5rem;padding-top:.15rem;white-space:nowrap}
.unit{font-size:12px;text-align:center;margin:0}
.heat th,.heat td{padding:.35rem .5rem;text-align:right;font-size:13px}.heat tbody th{text-align:left}
.heat thead th{color:var(--dim)}.heat td{background:rgba(var(--bar-rgb),var(--heat,0))}
.scroll{overflow-x:auto}
details{margin:.7rem 0}summary{cursor:pointer;font-weight:600}summary span{color:var(--dim);font-weight:400}
code{font:12px/1.5 ui-monospace,monospace;background:rgba(var(--bar-rgb),.12);border-radius:4px;padding:.05rem .35rem;margin:0 .25rem .2rem 0;display:inline-block;overflow-wrap:anywhere}
.kernels{font-size:13px}.kernels th{color:var(--dim);font-size:12px;white-space:nowrap}
.kernels th,.kernels td{padding:.35rem .6rem;border-bottom:1px solid var(--line);text-align:right;vertical-align:top}
.kernels th:first-child,.kernels td:first-child{text-align:left;padding-left:0;width:99%}
.kernels td:not(:first-child){white-space:nowrap}.kernels .bad{color:var(--bad);font-weight:650}
.meter{display:inline-block;width:3.4rem;height:.55rem;border-radius:3px;background:rgba(var(--bar-rgb),.22);margin-right:.4rem;overflow:hidden}
.meter i{display:block;height:100%;background:var(--bar)}
small{color:var(--dim);font-size:12px;display:block}
@media(max-width:760px){.kernels thead{display:none}.kernels tr{display:block;border-bottom:1px solid var(--line);padding:.5rem 0}
.kernels td{display:inline-block;border:0;padding:.1rem .9rem .1rem 0;text-align:left}.kernels td:first-child{display:block;width:auto}
.kernels td[data-name]::before{content:attr(data-name) " ";color:var(--dim)}.kernels small{display:inline}}
@media print{body{max-width:none}figure,details{break-inside:avoid}}
</style>)";

}  // namespace

std::string report_style() {
  return style;
}

}  // namespace pagejit::cache_tool
