package page

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

const (
	mostFilter   = 500 // bytes
	mostTerms    = 16
	defaultLines = 50 // of a page of the table: a browser shows so many in a tenth of a second
	mostLines    = 500
)

// table is what the address says of the table of clusters.
type table struct {
	filter  string
	terms   []term
	labels  string // a selector of labels, as kubectl's -l; empty: all
	has     labels.Selector
	sort    string // one of orders
	desc    bool
	page    int // from 1
	perPage int
}

// term is one word of a filter.
type term struct {
	not         bool
	field, want string
}

// fields are what a filter can ask for, as FIELD:TEXT. A word without a field is part of a
// name.
var fields = map[string]func(r *api.ClusterRow, want string) bool{
	"name":    func(r *api.ClusterRow, want string) bool { return contains(r.Name, want) },
	"state":   func(r *api.ClusterRow, want string) bool { return strings.EqualFold(string(r.State), want) },
	"reason":  func(r *api.ClusterRow, want string) bool { return contains(r.Reason, want) },
	"source":  func(r *api.ClusterRow, want string) bool { return contains(r.Source, want) },
	"version": func(r *api.ClusterRow, want string) bool { return contains(r.Version, want) },
	"is": func(r *api.ClusterRow, want string) bool {
		switch want {
		case "throttled":
			return r.Throttled != nil && *r.Throttled > 0
		case "degraded":
			return r.LiveStreams < r.Streams
		case "waiting":
			return r.Waiting > 0
		}
		return r.Level == want
	},
}

// kindsOf are what is: can be.
var kindsOf = []string{ok, busy, warn, bad, "throttled", "degraded", "waiting"}

// orders are what the table can be sorted by. Ties are in the order of names.
var orders = map[string]func(a, b *api.ClusterRow) int{
	"trouble": func(a, b *api.ClusterRow) int {
		return cmp.Or(slices.Index(levels, b.Level)-slices.Index(levels, a.Level), cmp.Compare(b.LagSeconds, a.LagSeconds))
	},
	"name":      func(*api.ClusterRow, *api.ClusterRow) int { return 0 },
	"state":     func(a, b *api.ClusterRow) int { return cmp.Compare(a.State, b.State) },
	"since":     func(a, b *api.ClusterRow) int { return a.Since.Compare(b.Since) },
	"streams":   func(a, b *api.ClusterRow) int { return cmp.Compare(a.LiveStreams-a.Streams, b.LiveStreams-b.Streams) },
	"lag":       func(a, b *api.ClusterRow) int { return cmp.Compare(a.LagSeconds, b.LagSeconds) },
	"waiting":   func(a, b *api.ClusterRow) int { return cmp.Compare(a.Waiting, b.Waiting) },
	"throttled": func(a, b *api.ClusterRow) int { return cmp.Compare(value(a.Throttled), value(b.Throttled)) },
	"rate": func(a, b *api.ClusterRow) int {
		return cmp.Compare(value(a.DeliveriesPerSecond), value(b.DeliveriesPerSecond))
	},
}

func value(p *float64) float64 {
	if p == nil {
		return -1
	}
	return *p
}

// contains ignores the case of letters; want is in small ones.
func contains(s, want string) bool { return strings.Contains(strings.ToLower(s), want) }

// parameters are those of the table's address.
var parameters = []string{"filter", "l", "sort", "page", "per"}

// parseTable reads the parameters. All mistakes are told at once.
func parseTable(q url.Values) (table, error) {
	t := table{filter: strings.TrimSpace(q.Get("filter")), labels: strings.TrimSpace(q.Get("l")), sort: "trouble", page: 1, perPage: defaultLines}
	var errs []error
	for name := range q {
		if !slices.Contains(parameters, name) {
			errs = append(errs, fmt.Errorf("there is no parameter %q; there are %s", visible(name, 50), strings.Join(parameters, ", ")))
		}
	}
	err := checkText("the filter", t.filter)
	if err != nil {
		errs = append(errs, err)
		t.filter = ""
	}
	if err = checkText("the selector of labels", t.labels); err != nil {
		errs = append(errs, err)
		t.labels = ""
	}
	if t.terms, err = parseFilter(t.filter); err != nil {
		errs = append(errs, err)
	}
	if t.has, err = parseLabels(t.labels); err != nil {
		errs = append(errs, err)
	}
	if s := q.Get("sort"); s != "" {
		by, desc := strings.CutPrefix(s, "-")
		if orders[by] == nil {
			errs = append(errs, fmt.Errorf("nothing can be sorted by %q; there are %s", visible(by, 50), strings.Join(sorted(orders), ", ")))
		} else {
			t.sort, t.desc = by, desc
		}
	}
	number := func(name string, to *int, most int) {
		if s := q.Get(name); s != "" {
			n, err := strconv.Atoi(s)
			if err != nil || n < 1 || n > most {
				errs = append(errs, fmt.Errorf("%s=%q is no number from 1 to %d", name, visible(s, 50), most))
				return
			}
			*to = n
		}
	}
	number("page", &t.page, 1_000_000)
	number("per", &t.perPage, mostLines)
	return t, errors.Join(errs...)
}

// checkText bounds what somebody filters by.
func checkText(what, text string) error {
	switch {
	case len(text) > mostFilter:
		return fmt.Errorf("%s is longer than %d bytes", what, mostFilter)
	case !printable(text):
		return fmt.Errorf("%s holds something that cannot be seen", what)
	}
	return nil
}

// parseLabels reads a selector such as region=north,tier in (edge, core),!test.
func parseLabels(text string) (labels.Selector, error) {
	has, err := labels.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("l: %w", err)
	}
	if wants, _ := has.Requirements(); len(wants) > mostTerms {
		return nil, fmt.Errorf("l: a selector has at most %d labels", mostTerms)
	}
	return has, nil
}

// printable reports whether all of a text can be seen.
func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// parseFilter reads words such as prod -state:live reason:"credentials refused".
func parseFilter(filter string) (terms []term, err error) {
	for rest := strings.TrimSpace(filter); rest != ""; rest = strings.TrimSpace(rest) {
		if len(terms) == mostTerms {
			return nil, fmt.Errorf("a filter has at most %d words", mostTerms)
		}
		var t term
		if after, not := strings.CutPrefix(rest, "-"); not {
			t.not, rest = true, after
		}
		if end := strings.IndexAny(rest, ": \""); end >= 0 && rest[end] == ':' && fields[strings.ToLower(rest[:end])] != nil {
			t.field, rest = strings.ToLower(rest[:end]), rest[end+1:]
		}
		if quoted, quoteErr := strconv.QuotedPrefix(rest); quoteErr == nil && quoted[0] == '"' {
			t.want, err = strconv.Unquote(quoted)
			rest = rest[len(quoted):]
		} else {
			t.want, rest, _ = strings.Cut(rest, " ")
		}
		if err != nil {
			return nil, err
		}
		if t.want == "" {
			return nil, fmt.Errorf("a word of the filter says nothing: give one after %q", visible(strings.TrimSpace(strings.TrimSuffix(filter, rest)), 50))
		}
		t.want = strings.ToLower(t.want)
		t.field = cmp.Or(t.field, "name")
		if t.field == "is" && !slices.Contains(kindsOf, t.want) {
			return nil, fmt.Errorf("is:%s can mean nothing; there are %s", visible(t.want, 50), strings.Join(kindsOf, ", "))
		}
		terms = append(terms, t)
	}
	return terms, nil
}

func sorted[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// of returns the rows of the page, and how many there are on all pages. Rows are by name.
func (t *table) of(rows []api.ClusterRow) (shown []api.ClusterRow, matching int) {
	var found []*api.ClusterRow
	for i := range rows {
		if t.matches(&rows[i]) {
			found = append(found, &rows[i])
		}
	}
	order := orders[t.sort]
	slices.SortStableFunc(found, func(a, b *api.ClusterRow) int {
		if t.desc {
			if t.sort == "name" {
				return cmp.Compare(b.Name, a.Name)
			}
			return order(b, a)
		}
		return order(a, b)
	})
	shown = []api.ClusterRow{}
	first := min((t.page-1)*t.perPage, len(found))
	for _, r := range found[first:min(first+t.perPage, len(found))] {
		shown = append(shown, *r)
	}
	return shown, len(found)
}

func (t *table) matches(r *api.ClusterRow) bool {
	for _, term := range t.terms {
		if fields[term.field](r, term.want) == term.not {
			return false
		}
	}
	return t.has.Matches(labels.Set(r.Labels))
}

// with is the address of the table with another order or page.
func (t *table) with(sort string, page int) string {
	q := url.Values{}
	if t.filter != "" {
		q.Set("filter", t.filter)
	}
	if t.labels != "" {
		q.Set("l", t.labels)
	}
	if sort != "trouble" {
		q.Set("sort", sort)
	}
	if page > 1 {
		q.Set("page", strconv.Itoa(page))
	}
	if t.perPage != defaultLines {
		q.Set("per", strconv.Itoa(t.perPage))
	}
	if len(q) == 0 {
		return "/status/clusters"
	}
	return "/status/clusters?" + q.Encode()
}

// order is the sort parameter as it is now.
func (t *table) order() string {
	if t.desc {
		return "-" + t.sort
	}
	return t.sort
}
