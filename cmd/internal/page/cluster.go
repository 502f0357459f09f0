package page

import (
	"net/http"
	"slices"

	"k8s.io/apimachinery/pkg/selection"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

func (p *Page) cluster(s *snapshot, r *http.Request) answer {
	name := nameOf(r)
	c := s.find(name)
	if c == nil {
		return gone(s, failure(http.StatusNotFound, "No such cluster", "there is no cluster "+visible(name, 100), "/status/clusters"), name, api.Target{Cluster: name})
	}
	d := api.ClusterDetail{At: s.at, Cluster: *c, Limits: []api.RouteLimit{}, Credentials: api.Credentials{Source: c.Source}, Problems: []api.Problem{}}
	if p.opts.Limits != nil {
		d.Limits = append(d.Limits, p.opts.Limits(name)...)
	}
	if p.opts.Credentials != nil {
		d.Credentials = p.opts.Credentials(name)
	}
	d.Credentials.Expires = c.CredentialExpires
	for _, of := range s.status.Paused {
		if of.Cluster == name {
			d.Paused = append(d.Paused, of)
		}
	}
	d.Order, d.StreamOrders = ordersOf(s.status.Limits, name)
	for _, of := range s.status.Problems {
		if of.Cluster == name {
			d.Problems = append(d.Problems, of)
		}
	}
	d.History, d.Transitions = p.keeper.history(name)
	return answer{code: http.StatusOK, title: short(name), template: "cluster", json: d, data: clusterData{
		NextStep: stepOf(c), Labels: labelsOf(c), Bars: barsOf(c.Lane), Resources: resourcesOf(c), Routes: routesOf(s),
	}, command: "kubectl fairlead status" + arguments(name), refresh: true}
}

// clusterData is what the template of a cluster is given beside api.ClusterDetail.
type clusterData struct {
	NextStep  string // empty while all is well
	Labels    []labelLink
	Bars      []bar
	Resources []string // that orders can be of
	Routes    []string // likewise
}

// resourcesOf returns the resources of a cluster that orders can be of, each once.
func resourcesOf(c *api.Cluster) (all []string) {
	for i := range c.Streams {
		if name := c.Streams[i].Resource; name != "" && canBeOrdered(name) && !slices.Contains(all, name) && len(all) < mostRows {
			all = append(all, name)
		}
	}
	return all
}

// routesOf returns the routes that orders can be of.
func routesOf(s *snapshot) (all []string) {
	for i := range s.status.Sinks {
		if name := s.status.Sinks[i].Name; canBeOrdered(name) && len(all) < mostRows {
			all = append(all, name)
		}
	}
	return all
}

// labelLink is one of a cluster's labels.
type labelLink struct {
	Text string // KEY=VALUE
	To   string // the address of the table of all clusters with it; empty: no selector can name it
}

// labelsOf returns a cluster's labels by name.
func labelsOf(c *api.Cluster) (all []labelLink) {
	for _, key := range sorted(c.Labels) {
		l := labelLink{Text: key + "=" + c.Labels[key]}
		if isSelector(l.Text, key, c.Labels[key]) {
			l.To = (&table{labels: l.Text, sort: "trouble", perPage: defaultLines}).with("trouble", 1)
		}
		all = append(all, l)
	}
	return all
}

// isSelector reports whether a text selects, for the table, what has this label, and nothing
// else: whoever describes a cluster may write more into a label than one.
func isSelector(text, key, value string) bool {
	has, err := parseLabels(text)
	if err != nil || checkText("", text) != nil {
		return false
	}
	wants, _ := has.Requirements()
	return len(wants) == 1 && wants[0].Key() == key && wants[0].Operator() == selection.Equals && wants[0].ValuesUnsorted()[0] == value
}

func stepOf(c *api.Cluster) string {
	if level := levelOf(c.State); level == ok || level == busy {
		return ""
	}
	return nextStep(c.State, c.Reason)
}

// bar is a part of what waits.
type bar struct {
	Name  string
	Count int
	X, W  int // of 100
}

// barsOf divides what waits into parts, whose widths are their shares.
func barsOf(l api.Lane) []bar {
	bars := []bar{{Name: "in work", Count: l.InFlight}, {Name: "changes", Count: l.Live}, {Name: "of snapshots", Count: l.Snapshot}, {Name: "refused, for another try", Count: l.Delayed}}
	all := 0
	for _, b := range bars {
		all += b.Count
	}
	sum := 0
	for i := range bars {
		bars[i].X = sum * 100 / max(all, 1)
		sum += bars[i].Count
		bars[i].W = sum*100/max(all, 1) - bars[i].X
	}
	return bars
}
