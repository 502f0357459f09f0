package stream

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Followed is a stream of a resource that a wildcard stands for.
type Followed struct {
	Spec     Spec
	Wildcard Spec
	// Earlier and Later are the specs of the member that may mean the same objects,
	// see Options.
	Earlier, Later []Spec
}

// candidate is a resource that may be followed.
type candidate struct {
	resource
	served bool
	rank   int // the lower one goes before the others
}

// Ranks of candidates. What has a stream keeps its place.
const (
	hasStream = iota
	hasObjects
	hasCursor
	isNew
)

// noPlace ends the reason of what is left out because there is no place for it.
const noPlace = "see --max-streams"

// planner decides what is followed. Its methods change nothing but the plan.
type planner struct {
	wildcards []Spec
	named     []Spec
	excluded  []Spec
	max       int // streams of a member; 0: no bound
	inventory *inventory
	known     remembered // of the routes that there are
	before    map[Spec]bool
	ended     func(Spec) bool

	ranks    map[schema.GroupResource]int
	follow   []Followed
	left     []LeftOut
	unplaced map[schema.GroupResource]bool // see Findings
}

// plan returns the streams that there are to be, and what is left out, both in order.
//
// A resource that is not served any more has a stream for as long as there is something
// to be told of it: of one that a sink has objects of, or whose stream has not ended.
func (p *planner) plan() ([]Followed, []LeftOut) {
	p.setRanks()
	candidates := p.candidates()
	places := p.max
	if p.max > 0 {
		places = max(p.max-len(p.named), 0)
	}
	// What is gone is remembered for the retention. A member that serves other names every
	// minute is not to fill the ledger with them.
	memory := 2*p.max - p.forgotten(candidates)
	for _, c := range candidates {
		specs := p.standing(c)
		if len(specs) == 0 {
			continue
		}
		switch n := len(p.follow) + len(specs); {
		case p.max > 0 && n > places:
			p.leaveUnplaced(c.name(), fmt.Sprintf("there are %d streams already, "+noPlace, p.max))
		case p.max > 0 && c.rank == isNew && n > memory:
			p.leaveUnplaced(c.name(), "the ledger still remembers too many resources that are gone, "+noPlace)
		default:
			p.follow = append(p.follow, specs...)
		}
	}
	slices.SortFunc(p.follow, func(a, b Followed) int { return cmp.Compare(a.Spec.String(), b.Spec.String()) })
	for _, left := range p.inventory.unfit {
		if len(standingFor(p.wildcards, schema.ParseGroupResource(left.Resource))) > 0 {
			p.left = append(p.left, left)
		}
	}
	slices.SortFunc(p.left, func(a, b LeftOut) int { return cmp.Compare(a.Resource, b.Resource) })
	return p.follow, p.left
}

// leaveUnplaced leaves out what would be followed. Its objects are there: that it has no
// stream tells nothing of them.
func (p *planner) leaveUnplaced(gr schema.GroupResource, reason string) {
	p.leave(gr, reason)
	if p.unplaced == nil {
		p.unplaced = map[schema.GroupResource]bool{}
	}
	p.unplaced[gr] = true
	for _, other := range cohabitants(gr) {
		p.unplaced[other] = true
	}
}

func (p *planner) leave(gr schema.GroupResource, reason string) {
	p.left = append(p.left, LeftOut{gr.String(), reason})
}

// candidates returns what is served, and what is to be told of that is not, in the order
// in which they get the places that there are.
func (p *planner) candidates() []candidate {
	all := make([]candidate, 0, len(p.inventory.served))
	seen := map[schema.GroupResource]bool{}
	add := func(r resource, served bool) {
		if !seen[r.name()] {
			seen[r.name()] = true
			all = append(all, candidate{r, served, p.rank(r.name())})
		}
	}
	for _, r := range p.inventory.served {
		add(r, true)
	}
	for _, k := range p.known {
		gr := groupResource(k)
		if k.Known > 0 {
			add(resource{gvr: gr.WithVersion(k.Meaning.Version), kind: k.Meaning.Kind,
				namespaced: k.Meaning.Namespaced || k.Meaning.Version == "", names: []string{gr.Resource}}, false)
		}
	}
	for spec := range p.before {
		if slices.Contains(p.inventory.unread, spec.Group) || !p.ended(spec) {
			gr := schema.GroupResource{Group: spec.Group, Resource: spec.Resource}
			add(resource{gvr: gr.WithVersion(""), namespaced: true, names: []string{gr.Resource}}, false)
		}
	}
	slices.SortFunc(all, func(a, b candidate) int {
		order := cmp.Compare(a.rank, b.rank)
		if order == 0 && a.rank == isNew {
			order = cmp.Compare(installedLater(a.name()), installedLater(b.name()))
		}
		return cmp.Or(order, compareNames(a.name(), b.name()))
	})
	return all
}

// installedLater returns 0 for the groups of Kubernetes itself, which have no dot or end
// in .k8s.io, and 1 for others: a member with many CRDs keeps its places for its Deployments.
func installedLater(gr schema.GroupResource) int {
	if !strings.Contains(gr.Group, ".") || strings.HasSuffix(gr.Group, ".k8s.io") {
		return 0
	}
	return 1
}

// setRanks finds the rank of all that there was before; what is not among them is new.
func (p *planner) setRanks() {
	p.ranks = map[schema.GroupResource]int{}
	for _, k := range p.known {
		rank, gr := hasCursor, groupResource(k)
		if k.Known > 0 {
			rank = hasObjects
		}
		if before, ok := p.ranks[gr]; !ok || rank < before {
			p.ranks[gr] = rank
		}
	}
	for spec := range p.before {
		p.ranks[schema.GroupResource{Group: spec.Group, Resource: spec.Resource}] = hasStream
	}
}

func (p *planner) rank(gr schema.GroupResource) int {
	if rank, ok := p.ranks[gr]; ok {
		return rank
	}
	return isNew
}

// forgotten counts the resources that the ledger remembers and nobody follows.
func (p *planner) forgotten(candidates []candidate) int {
	names := map[schema.GroupResource]bool{}
	for _, k := range p.known {
		names[groupResource(k)] = true
	}
	for _, c := range candidates {
		delete(names, c.name())
	}
	return len(names)
}

// standing returns the streams of a resource, none if there is to be none.
func (p *planner) standing(c candidate) []Followed {
	gr := c.name()
	wildcards := standingFor(p.wildcards, gr)
	if len(wildcards) == 0 || p.inventory.named[objectsOf(gr)] || p.inventory.named[gr] {
		return nil
	}
	if why := p.unwanted(c, wildcards[0]); why != "" {
		p.leave(gr, why)
		return nil
	}
	var specs []Spec
	var of []Spec
	for _, w := range wildcards {
		spec := w.of(gr)
		switch {
		case w.inNamespaces() && !c.namespaced:
		case c.rank == hasStream && !c.served && !p.before[spec]:
		default:
			specs, of = append(specs, spec), append(of, w)
		}
	}
	all := make([]Followed, len(specs))
	for i, spec := range specs {
		all[i] = Followed{
			Spec: spec, Wildcard: of[i],
			Earlier: slices.Concat(p.named, specs[:i]), Later: slices.Clone(specs[i+1:]),
		}
	}
	return all
}

// unwanted returns why a resource that a wildcard stands for is not followed; empty if it
// is.
func (p *planner) unwanted(c candidate, wildcard Spec) string {
	if why := isRefused(c.name(), c.names, wildcard, p.excluded); why != "" {
		return why
	}
	if other := p.twin(c.name()); other != c.name() {
		return "its objects are those of " + other.String()
	}
	return ""
}

// twin returns the one of several resources with the same objects that is followed: the
// one that there was before, or else the one that API servers store.
func (p *planner) twin(gr schema.GroupResource) schema.GroupResource {
	all := slices.DeleteFunc(cohabitants(gr), func(other schema.GroupResource) bool {
		wildcards := standingFor(p.wildcards, other)
		return !p.inventory.has(other) || len(wildcards) == 0 || isRefused(other, []string{other.Resource}, wildcards[0], p.excluded) != ""
	})
	if len(all) == 0 {
		return gr
	}
	return slices.MinFunc(all, func(a, b schema.GroupResource) int {
		return cmp.Compare(min(p.rank(a), hasCursor), min(p.rank(b), hasCursor))
	})
}
