package app

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/pipeline/selection"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// What becomes of what a sink has of a resource of a cluster, when the program runs with
// other settings.
const (
	goesOn      = "unchanged"        // its watch is resumed
	takesAnew   = "snapshot"         // its objects are listed: what is selected, or counts, is another thing
	deliversAll = "delivered again"  // its objects are in another form, or due for other reasons
	isNew       = "new"              // the sink has nothing of it yet
	takesLeave  = "taken leave of"   // nobody follows it: its objects are deleted after the retention
	losesSink   = "sink taken out"   // the sink keeps what it has, and is told nothing more
	hasLeft     = "cluster has left" // the settings change nothing
	movesTo     = "goes elsewhere"   // what is followed of it belongs to another namespace
	anyNumber   = -1                 // of changes: only the cluster knows
	labelsNoted = "labels of the cluster are taken to be none"
)

// planLine is one of these, for a sink, a cluster and a resource.
type planLine struct {
	Sink      string `json:"sink"`
	Cluster   string `json:"cluster"`
	Resource  string `json:"resource"`
	Namespace string `json:"namespace,omitempty"` // empty: all
	Action    string `json:"action"`
	Why       string `json:"why,omitempty"`
	Objects   int    `json:"objects"` // that the sink has, as the ledger knows
	// Deliver is how many objects are delivered because of the settings, Delete how many are
	// deleted from the sink; -1 if only the cluster knows.
	Deliver atMost `json:"deliver"`
	Delete  atMost `json:"delete"`
}

// atMost is a number of changes, or a bound of it.
type atMost struct {
	Most  int  `json:"most"`  // -1: only the cluster knows
	Exact bool `json:"exact"` // it is as many, if nothing changes in the cluster
}

var none = atMost{0, true}

func (n atMost) String() string {
	switch {
	case n.Most == anyNumber:
		return "?"
	case n.Exact:
		return fmt.Sprint(n.Most)
	}
	return fmt.Sprint("up to ", n.Most)
}

func (n atMost) plus(other atMost) atMost {
	if n.Most == anyNumber || other.Most == anyNumber {
		return atMost{Most: anyNumber}
	}
	return atMost{n.Most + other.Most, n.Exact && other.Exact}
}

// planner compares settings with what a ledger has.
type planner struct {
	settings *settings
	keys     selection.ParseOptions
	all      *selection.Rules            // for all sinks
	sinks    map[string]*selection.Rules // by name
	specs    map[stream.Spec]*selection.Rules
}

// newPlanner compiles the rules of settings.
func newPlanner(s *settings, digestKey []byte) (*planner, error) {
	p := &planner{
		settings: s, keys: selection.ParseOptions{RedactKey: s.redactKey, DigestKey: digestKey},
		sinks: map[string]*selection.Rules{}, specs: map[stream.Spec]*selection.Rules{},
	}
	var err error
	if p.all, err = selection.Parse(s.Selection, p.keys); err != nil {
		return nil, err
	}
	for _, spec := range s.sinks {
		if p.sinks[spec.Identity], err = selection.Parse(selection.Texts(spec.Selection), p.keys); err != nil {
			return nil, err
		}
	}
	for _, spec := range s.specs {
		if p.specs[spec.OnlyRules()], err = selection.Parse(spec.Rules(), p.keys); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// plan returns what becomes of each cursor, and which are new.
func (p *planner) plan(cursors []ledger.Description) []planLine {
	var lines []planLine
	for _, d := range cursors {
		for _, sink := range p.sinksOf(d) {
			d.ID.Route = sink
			lines = append(lines, p.of(d))
		}
	}
	lines = append(lines, p.added(cursors)...)
	slices.SortStableFunc(lines, func(a, b planLine) int {
		return cmp.Or(strings.Compare(a.Sink, b.Sink), strings.Compare(a.Cluster, b.Cluster), strings.Compare(a.Resource, b.Resource), strings.Compare(a.Namespace, b.Namespace))
	})
	return lines
}

// sinksOf returns those that a cursor is of: several, if an earlier version wrote it.
func (p *planner) sinksOf(d ledger.Description) []string {
	switch {
	case d.ID.Route != "":
		return []string{d.ID.Route}
	case len(d.Sinks) > 0:
		return d.Sinks
	}
	return p.settings.sinkNames()
}

func lineOf(d ledger.Description) planLine {
	return planLine{
		Sink: d.ID.Route, Cluster: d.ID.Cluster, Resource: d.ID.Resource, Namespace: d.ID.Namespace,
		Objects: d.Objects, Action: goesOn, Deliver: none, Delete: none,
	}
}

// of says what becomes of one cursor.
func (p *planner) of(d ledger.Description) planLine {
	line := lineOf(d)
	_, known := p.sinks[d.ID.Route]
	spec, followed, elsewhere := stream.Follower(p.settings.specs, p.settings.excluded, d.ID.Resource, d.ID.Namespace, d.Meaning)
	switch {
	case !d.Left.IsZero():
		line.Action = hasLeft
	case !known:
		line.Action = losesSink
	case elsewhere:
		line.Action, line.Why = movesTo, "followed by "+spec.String()
		line.Delete = upTo(d.Objects)
	case !followed:
		line.Action, line.Delete = takesLeave, atMost{d.Objects, true}
		line.Why = fmt.Sprintf("in no --watch; deleted after %v", p.settings.LedgerRetention)
	default:
		p.compare(&line, d, p.foresee(spec, d))
	}
	return line
}

func (p *planner) foresee(spec stream.Spec, d ledger.Description) stream.Foreseen {
	rules := selection.Merge(p.all, p.specs[spec.OnlyRules()], p.sinks[d.ID.Route])
	return stream.Foresee(spec, d.ID.Resource, d.Meaning, rules, selection.Cluster{Name: d.ID.Cluster, UID: d.ID.ClusterUID}, p.settings.IncludeSecretValues)
}

// compare says what becomes of a cursor that is followed.
func (p *planner) compare(line *planLine, d ledger.Description, now stream.Foreseen) {
	var why []string
	selected, counts := now.Selection, now.Selection.Changed != d.Selection.Changed
	selected.Changed, d.Selection.Changed = "", ""
	switch {
	case selected != d.Selection:
		line.Action = takesAnew
		why = append(why, fmt.Sprintf("selects %s, before %s", orAll(selected), orAll(d.Selection)))
		if now.ReadsLabels {
			why = append(why, labelsNoted)
		}
		if !isPartOf(d.Selection, selected) {
			line.Delete = upTo(d.Objects)
		}
		if !isPartOf(selected, d.Selection) {
			line.Deliver = atMost{Most: anyNumber}
		}
	case counts:
		line.Action = takesAnew
		why = append(why, "other changes count than before")
	}
	again := func(n int, reason string) {
		line.Action = deliversAll
		why = append(why, reason)
		if line.Deliver == none {
			line.Deliver = atMost{n, line.Delete == none}
		}
	}
	switch {
	case d.Objects > 0 && !ledger.SameForm(d.Form, now.Form):
		again(d.Objects, fmt.Sprintf("delivered as %q, before as %q", now.Form, d.Form))
	case line.Action == takesAnew && d.ResumePoint == "" && d.Objects > 0:
		again(d.Objects, "a snapshot was under way")
	case d.Redeliver > 0:
		again(d.Redeliver, "they were due already")
	case d.ResumePoint == "" && line.Action == goesOn:
		line.Action = takesAnew
		why = append(why, "there is no resume point, whatever the settings are")
	}
	line.Why = strings.Join(why, "; ")
}

// isPartOf reports whether one selection selects nothing that another one does not, as far as
// texts tell.
func isPartOf(one, other ledger.Selection) bool {
	in := func(one, other string) bool { return other == "" || one == other }
	return in(one.Namespace, other.Namespace) && in(one.Labels, other.Labels) && in(one.Fields, other.Fields) && in(one.Where, other.Where)
}

// upTo is a number of which only the most is known.
func upTo(most int) atMost { return atMost{most, most == 0} }

// orAll is a selection in words.
func orAll(s ledger.Selection) string {
	s.Namespace = ""
	return cmp.Or(selectionText(s), "all")
}

// added returns what is new to a sink: a resource that it has nothing of, in each cluster
// that the ledger knows.
func (p *planner) added(cursors []ledger.Description) (lines []planLine) {
	for _, cluster := range clustersOf(cursors) {
		there := slices.DeleteFunc(slices.Clone(cursors), func(d ledger.Description) bool { return d.ID.Cluster != cluster })
		for _, w := range p.wanted(there) {
			var others []ledger.Description // sinks that have it
			has := map[string]bool{}
			for _, d := range there {
				if d.ID.Resource == w.resource && d.ID.Namespace == w.spec.Namespace {
					others = append(others, d)
					for _, sink := range p.sinksOf(d) {
						has[sink] = true
					}
				}
			}
			for _, sink := range p.settings.sinkNames() {
				if !has[sink] {
					lines = append(lines, p.newLine(w, sink, cluster, others))
				}
			}
		}
	}
	return lines
}

// wantedStream is what settings have followed of a resource in a cluster.
type wantedStream struct {
	spec     stream.Spec
	resource string // as the ledger names it, or else as the spec does
}

// wanted returns the streams that there would be in a cluster, as far as what the ledger has
// there tells what specs mean.
func (p *planner) wanted(there []ledger.Description) (all []wantedStream) {
	named, wildcards := stream.Split(p.settings.specs)
	for _, spec := range named {
		w := wantedStream{spec, stream.Base(spec)}
		for _, d := range there {
			if stream.Means(spec, d.ID.Resource, d.Meaning) {
				w.resource = d.ID.Resource
			}
		}
		all = append(all, w)
	}
	if len(wildcards) == 0 {
		return all
	}
	for _, d := range there {
		by, ok, elsewhere := stream.Follower(p.settings.specs, p.settings.excluded, d.ID.Resource, d.ID.Namespace, d.Meaning)
		w := wantedStream{by, d.ID.Resource}
		if (ok || elsewhere) && !slices.Contains(named, by) && !slices.Contains(all, w) {
			all = append(all, w)
		}
	}
	return all
}

// newLine is a line of what a sink has nothing of yet. Where another one has it, selected
// as it will be here, the ledger knows how much it is.
func (p *planner) newLine(w wantedStream, sink, cluster string, others []ledger.Description) planLine {
	line := planLine{
		Sink: sink, Cluster: cluster, Resource: w.resource, Namespace: w.spec.Namespace,
		Action: isNew, Deliver: atMost{Most: anyNumber}, Delete: none,
	}
	for _, d := range others {
		had, from := d.Selection, d.ID.Route
		d.ID.Route = sink
		now := p.foresee(w.spec, d).Selection
		now.Changed, had.Changed = "", ""
		if from != "" && now == had && d.ResumePoint != "" {
			line.Deliver, line.Why = atMost{d.Objects, true}, "as many as sink "+from+" has"
			break
		}
	}
	return line
}

// clustersOf returns the clusters that are in the fleet, as far as the ledger knows.
func clustersOf(cursors []ledger.Description) (all []string) {
	for _, d := range cursors {
		if d.Left.IsZero() {
			all = append(all, d.ID.Cluster)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
