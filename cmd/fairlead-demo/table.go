package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

var columns = []string{"cluster", "state", "observed", "coalesced", "throttled", "delivered", "lag"}

// cells returns a row's texts, in the order of columns.
func (r row) cells() []string {
	lag := "-"
	if r.hasLag {
		lag = roughly(r.lag)
	}
	return []string{
		r.cluster, r.state, strconv.Itoa(r.observed), strconv.Itoa(r.coalesced),
		strconv.Itoa(r.throttled), strconv.Itoa(r.delivered), lag,
	}
}

// drawTable returns the lines of the table, none longer than width: a line that
// the terminal has to fold could not be erased.
func drawTable(rows []row, width int) []string {
	// Wide enough from the start, so that nothing jumps to the side.
	widths := []int{10, 13, 9, 10, 10, 10, 9}
	line := func(cells []string) string {
		var b strings.Builder
		for i, cell := range cells {
			if i < 2 {
				fmt.Fprintf(&b, "  %-*s", widths[i], cell)
			} else {
				fmt.Fprintf(&b, "  %*s", widths[i], cell)
			}
		}
		return cutTo(b.String(), width)
	}
	lines := []string{"", line(columns)}
	for _, r := range rows {
		lines = append(lines, line(r.cells()))
	}
	return lines
}

// plainRows returns a line per row that can be read, and searched, by itself.
func plainRows(rows []row) []string {
	var lines []string
	for _, r := range rows {
		cells := r.cells()
		line := fmt.Sprintf("  %-8s  %-12s", cells[0], cells[1])
		for i, column := range columns[2:] {
			line += fmt.Sprintf("  %s %-5s", column, cells[i+2])
		}
		lines = append(lines, strings.TrimRight(line, " "))
	}
	return lines
}

// cutTo shortens a line to less than width columns. All its characters take one.
func cutTo(line string, width int) string {
	runes := []rune(line)
	if len(runes) < width {
		return line
	}
	return string(runes[:max(width-1, 0)])
}

// roughly rounds a duration to what a reader can take in.
func roughly(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", d.Seconds()*1000)
	case d < time.Second:
		return fmt.Sprintf("%.0f ms", d.Seconds()*1000)
	default:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
}

// outcome is what became of one member's writes while Fairlead ran.
type outcome struct {
	cluster  string
	objects  int // at the end
	written  int
	arrived  int           // the others were coalesced
	p50, p99 time.Duration // from write to sink
}

// drawOutcomes returns the table at the end.
func drawOutcomes(rows []outcome) string {
	var b strings.Builder
	fmt.Fprintf(&b, "  %-10s  %9s  %9s  %9s  %9s  %9s\n", "cluster", "objects", "written", "arrived", "p50", "p99")
	for _, r := range rows {
		p50, p99 := "-", "-"
		if r.arrived > 0 {
			p50, p99 = roughly(r.p50), roughly(r.p99)
		}
		fmt.Fprintf(&b, "  %-10s  %9d  %9d  %9d  %9s  %9s\n", r.cluster, r.objects, r.written, r.arrived, p50, p99)
	}
	return b.String()
}

// outcomesExplained goes with the table if nothing is wrong.
const outcomesExplained = "" +
	"  Written while Fairlead ran, and arrived in the sink; the times are from one to the\n" +
	"  other. What did not arrive was coalesced: a newer state of the same object took its\n" +
	"  place while it waited for a token, or while the member was cut off.\n"

// drawCommand returns a command line with its flags below each other, so that it
// can be read, and pasted into a shell.
func drawCommand(program string, args []string) string {
	var b strings.Builder
	b.WriteString("         " + program)
	for _, arg := range args {
		if strings.HasPrefix(arg, "--") {
			b.WriteString(" \\\n           ")
		} else {
			b.WriteString(" ")
		}
		b.WriteString(arg)
	}
	return b.String()
}
