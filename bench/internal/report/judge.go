package report

import (
	"cmp"
	"strconv"
	"strings"
)

// Verdict is whether a goal was met in a case.
type Verdict string

// What a Verdict may be.
const (
	Met         Verdict = "met"
	Missed      Verdict = "missed"
	NotMeasured Verdict = "not measured"
)

// judged is a goal in one case.
type judged struct {
	id      string // of the reason, if it is missed
	labels  string
	goal    goal
	ours    string // figures, "" where there is none
	against string
	ratio   string // and how much it may be
	verdict Verdict
}

// judge looks a goal's case up.
func (r *Runs) judge(benchmark string, g goal, labels string) judged {
	impl := cmp.Or(g.impl, ours)
	j := judged{
		id:     strings.Join([]string{benchmark, labels, impl, g.unit, cmp.Or(g.peer, g.limitUnit, "limit")}, " "),
		labels: strings.ReplaceAll(labels, "/", ", "), goal: g, verdict: NotMeasured,
	}
	if labels == "" {
		j.id = strings.Join([]string{benchmark, impl, g.unit, cmp.Or(g.peer, g.limitUnit, "limit")}, " ")
	}
	mine, ok := r.find(benchmark, labels, impl, g.unit)
	if ok {
		j.ours = figure(mine, g.unit)
	}
	limit, limitOK := g.most, true
	switch {
	case g.peer != "":
		var theirs Summary
		theirs, limitOK = r.find(benchmark, labels, g.peer, g.unit)
		limit *= theirs.Median
		if limitOK {
			j.against = g.peer + ": " + figure(theirs, g.unit)
		}
		if ok && limitOK && theirs.Median > 0 {
			j.ratio = ratio(mine.Median/theirs.Median) + " (at most " + ratio(g.most) + ")"
		}
	case g.limitUnit != "":
		var most Summary
		most, limitOK = r.find(benchmark, labels, impl, g.limitUnit)
		limit = most.Median
		fallthrough
	default:
		if limitOK {
			j.against = "limit: " + format(limit, g.unit)
		}
		if ok && limitOK && limit > 0 {
			j.ratio = ratio(mine.Median / limit)
		}
	}
	if ok && limitOK {
		j.verdict = Missed
		if mine.Median <= limit {
			j.verdict = Met
		}
	}
	return j
}

// ratio writes a factor; a small one as what it is of.
func ratio(v float64) string {
	if v > 0 && v < 0.5 {
		return "1/" + number(1/v)
	}
	return trim(strconv.FormatFloat(v, 'f', 2, 64)) + "×"
}

// judgeAll looks all cases of a row up.
func (r *Runs) judgeAll(w row) []judged {
	var all []judged
	for _, g := range w.goals {
		for _, labels := range g.cases {
			all = append(all, r.judge(w.benchmark, g, labels))
		}
	}
	return all
}
