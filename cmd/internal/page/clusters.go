package page

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// list is what the template of the table is given beside api.ClusterList.
type list struct {
	Rows           []line
	Columns        []column
	Order          string // the sort parameter
	Worst          string // the address with the worst first
	PerPage        int    // unless it is the default
	First, Last    int    // rows on the page, from 1
	Back, Next     string // addresses of the pages beside; empty: there is none
	Pages, Current int
}

type line struct {
	api.ClusterRow
	Lag, Throttling []float64 // of the last quarter of an hour
}

// column is a head of the table.
type column struct {
	Name, Title, Class string
	To                 string // the address with the other order; empty: it has none
	Sorted             string // ascending, descending or none, as aria-sort has it
}

// columns of the table: order, title, and class of its cells.
var columns = []column{
	{Name: "name", Title: "Cluster"},
	{Name: "state", Title: "State"},
	{Name: "since", Title: "Since", Class: "number wide"},
	{Name: "streams", Title: "Streams", Class: "number"},
	{Name: "lag", Title: "Lag", Class: "number"},
	{Title: "Lag, 15 min", Class: "wide"},
	{Name: "waiting", Title: "Waiting", Class: "number"},
	{Name: "throttled", Title: "Throttled", Class: "number wide"},
	{Title: "Throttled, 15 min", Class: "wide"},
	{Name: "rate", Title: "Deliveries/s", Class: "number wide"},
}

func (p *Page) clusters(s *snapshot, r *http.Request) answer {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return failure(http.StatusBadRequest, "Clusters", "the address: "+err.Error())
	}
	t, err := parseTable(q)
	if err != nil {
		return failure(http.StatusBadRequest, "Clusters", visible(err.Error(), mostText), "filter=WORDS", "filter=state:live", "filter=is:bad", "filter=-reason:TEXT",
			"l=region=north", "sort=lag", "sort=-lag", "page=2", "per=100")
	}
	all := s.rows()
	rows, matching := t.of(all)
	l := api.ClusterList{
		At: s.at, Filter: t.filter, Selector: t.labels, Sort: t.order(), Page: t.page, PerPage: t.perPage, Matching: matching, Total: len(all), Clusters: rows,
	}
	d := list{Order: t.order(), Worst: t.with("trouble", 1), Current: t.page, Pages: max((matching+t.perPage-1)/t.perPage, 1)}
	if d.Order == "trouble" {
		d.Order = ""
	}
	if t.perPage != defaultLines {
		d.PerPage = t.perPage
	}
	if len(rows) > 0 {
		d.First = (t.page-1)*t.perPage + 1
		d.Last = d.First + len(rows) - 1
	}
	if t.page > 1 {
		d.Back = t.with(t.order(), min(t.page-1, d.Pages))
	}
	if t.page < d.Pages {
		d.Next = t.with(t.order(), t.page+1)
	}
	d.Rows = p.keeper.lines(rows)
	for _, c := range columns {
		c.Sorted = "none"
		if c.Name != "" {
			by := c.Name
			switch {
			case t.sort == c.Name && t.desc:
				c.Sorted = "descending"
			case t.sort == c.Name:
				c.Sorted, by = "ascending", "-"+c.Name
			case strings.Contains(c.Class, "number"):
				by = "-" + c.Name // the largest first
			}
			c.To = t.with(by, 1)
		}
		d.Columns = append(d.Columns, c)
	}
	command := "kubectl fairlead status"
	if t.labels != "" {
		command += " --selector=" + quoted(t.labels)
	}
	for _, term := range t.terms {
		if term.field == "state" && !term.not {
			command += " --state=" + quoted(strings.ReplaceAll(term.want, " ", "-"))
		}
	}
	return answer{code: http.StatusOK, title: "Clusters", template: "clusters", json: l, data: d, command: command, refresh: true}
}

// lines adds what rows have of the past.
func (k *keeper) lines(rows []api.ClusterRow) []line {
	k.mu.Lock()
	defer k.mu.Unlock()
	lines := make([]line, len(rows))
	for i, r := range rows {
		lines[i].ClusterRow = r
		if t := k.tracks[r.Name]; t != nil {
			lines[i].Lag, lines[i].Throttling = from(&t.series.lag, k.head, lagSteps), from(&t.series.throttled, k.head, throttledSteps)
		}
	}
	return lines
}

// find returns a cluster by its name; nil if there is none. Clusters are by name.
func (s *snapshot) find(name string) *api.Cluster {
	i, found := slices.BinarySearchFunc(s.status.Clusters, name, func(c api.Cluster, name string) int { return strings.Compare(c.Name, name) })
	if !found {
		return nil
	}
	return &s.status.Clusters[i]
}
