package app

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/selection"
	"github.com/fairlead-dev/fairlead/sources"
)

// tailFilter says what one tail shows.
type tailFilter struct {
	clusters, resources, namespaces, routes nameSet
	ops                                     uint             // the bits of the operations that are shown; 0: all
	where                                   *selection.Rules // nil: all
	objects                                 bool             // are shown, too
	rate                                    int              // lines per second at most

	programs map[programKey]*selection.Program // of where
}

type programKey struct {
	resource schema.GroupVersionResource
	cluster  string
}

// Bounds of --max-rate.
const (
	defaultTailRate = 100
	mostTailRate    = 10_000
)

// serveTail has a tail begin, unless it is about what there is not: it would show nothing
// for ever. Resources may come later: of those that nobody follows now it says so.
func (a *admin) serveTail(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	var clusters []string
	var members []sources.MemberStatus
	if q.Has("cluster") || q.Has("resource") {
		members = a.members() // which takes as long as there are clusters
	}
	for _, m := range members {
		clusters = append(clusters, m.Connection.Cluster)
	}
	for _, of := range []struct {
		what  string
		known []string
	}{{"cluster", clusters}, {"route", a.routes}} {
		text := q.Get(of.what)
		if slices.Contains(of.known, text) {
			continue // its name may hold commas
		}
		for name := range strings.SplitSeq(text, ",") {
			if name != "" && !slices.Contains(of.known, name) {
				a.answer(w, r, http.StatusNotFound, api.Error{Error: fmt.Sprintf("there is no %s %q", of.what, clipped(name)), Known: of.known})
				return
			}
		}
	}
	if note := notFollowedNow(members, q.Get("resource")); note != "" {
		w.Header().Set(api.NoteHeader, note)
	}
	a.tails.ServeHTTP(w, r)
}

// mostNamed is how many names a note lists.
const mostNamed = 20

// notFollowedNow says which of the resources of a list no stream follows now; empty: all are followed.
func notFollowedNow(members []sources.MemberStatus, list string) string {
	set := map[string]bool{}
	for _, m := range members {
		for _, st := range m.Streams {
			if st.Resource != "" {
				set[st.Resource] = true
			}
		}
	}
	followed := slices.Sorted(maps.Keys(set))
	var missing []string
	for name := range strings.SplitSeq(list, ",") {
		is := func(resource string) bool {
			plural, _, _ := strings.Cut(resource, ".")
			return resource == name || plural == name
		}
		if name != "" && !slices.ContainsFunc(followed, is) {
			missing = append(missing, fmt.Sprintf("%+q", clipped(name)))
		}
	}
	if len(missing) == 0 {
		return ""
	}
	known := "no cluster has told yet what it serves"
	if len(followed) > 0 {
		known = "there are " + strings.Join(followed[:min(len(followed), mostNamed)], ", ")
	}
	if more := len(followed) - mostNamed; more > 0 {
		known += fmt.Sprintf(" and %d more", more)
	}
	if len(missing) > mostNamed {
		missing = append(missing[:mostNamed], "others")
	}
	return fmt.Sprintf("nothing follows %s now, and what comes later is shown; %s", strings.Join(missing, ", "), known)
}

// tailFilterOf reads the parameters of a request.
func tailFilterOf(r *http.Request) (*tailFilter, error) {
	q, err := parameters(r, "cluster", "resource", "namespace", "route", "op", "where", "objects", "rate")
	if err != nil {
		return nil, err
	}
	list := func(name string) []string {
		return strings.FieldsFunc(q.Get(name), func(c rune) bool { return c == ',' })
	}
	routes := list("route")
	if route := q.Get("route"); strings.Contains(route, ",") {
		routes = append(routes, route) // as hosts of one have it
	}
	f := &tailFilter{
		clusters: namesOf(list("cluster")), resources: namesOf(list("resource")), namespaces: namesOf(list("namespace")), routes: namesOf(routes),
		rate: defaultTailRate, programs: map[programKey]*selection.Program{},
	}
	for _, name := range list("op") {
		i := slices.IndexFunc([]pipeline.Op{pipeline.Added, pipeline.Updated, pipeline.Deleted}, func(o pipeline.Op) bool { return o.String() == name })
		if i < 0 {
			return nil, fmt.Errorf("op=%q: there are added, updated and deleted", name)
		}
		f.ops |= 1 << (i + 1)
	}
	if text := q.Get("where"); text != "" {
		rules, err := selection.Parse(selection.Texts{Where: []string{text}}, selection.ParseOptions{})
		if err != nil {
			return nil, err
		}
		f.where = rules
	}
	switch text := q.Get("objects"); text {
	case "", "false":
	case "true":
		f.objects = true
	default:
		return nil, fmt.Errorf("objects=%q is neither true nor false", text)
	}
	if text := q.Get("rate"); text != "" {
		if f.rate, err = strconv.Atoi(text); err != nil || f.rate < 1 || f.rate > mostTailRate {
			return nil, errors.New("rate is how many lines per second are shown at most: 1 to " + strconv.Itoa(mostTailRate))
		}
	}
	return f, nil
}

// matches does what can be done without the object, in some nanoseconds. plural is the
// resource without its group.
func (f *tailFilter) matches(route string, key *pipeline.Key, plural string, op pipeline.Op) bool {
	return (f.ops == 0 || f.ops>>op&1 == 1) && f.clusters.has(key.Cluster) && f.namespaces.has(key.Namespace) && f.routes.has(route) &&
		(f.resources.has(key.Resource) || f.resources.has(plural))
}

// needsObject reports whether an answer can be shown with its object only.
func (f *tailFilter) needsObject() bool { return f.objects || f.where != nil }

// mostPrograms is for how many resources of clusters a tail keeps its expression ready.
const mostPrograms = 1024

// program returns what the expression, which there must be, says about the resource of an answer;
// nil: nothing. It is looked up in some ten nanoseconds, but for the first answer of a resource.
func (f *tailFilter) program(a *answer) *selection.Program {
	key := programKey{a.resource, a.key.Cluster}
	program, ok := f.programs[key]
	if !ok {
		if len(f.programs) >= mostPrograms {
			clear(f.programs)
		}
		about := selection.Resource{GroupVersionResource: a.resource, Namespaced: a.key.Namespace != ""}
		program = f.where.For(about, selection.Cluster{Name: a.key.Cluster})
		f.programs[key] = program
	}
	return program
}

// selects evaluates an expression; nil selects all. A deletion without an object is shown.
func selects(program *selection.Program, a *answer, object *copied) bool {
	if program == nil || object == nil {
		return true
	}
	selected, _ := program.Match(selection.Object{JSON: object.object, Op: selection.Op(a.op), Snapshot: a.snapshot}) // what fails is shown
	return selected
}
