// Package report turns the output of `go test -bench` into docs/benchmarks.md:
// each goal with what was measured, ours beside the peer's, whether it was met,
// and plots.
//
//	raw output ──Parse──▶ Runs ──▶ rows of goals.go ──▶ Markdown, Plots
//	                       why a goal is missed ──┘
//
// Figures come from the raw output and nowhere else. What a goal needs and the
// output does not hold is shown as not measured; what the output holds and no goal
// needs is listed at the end. It reads and writes no files, and keeps no state.
package report
