package findings

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// Times for which something passing is no finding yet.
const (
	patienceConnecting = 10 * time.Second
	patienceStale      = 5 * time.Second
)

// clusters tells of all clusters and of the descriptions of those that are none.
func (f *finder) clusters() {
	twins := map[string]bool{}
	for i := range f.Status.Clusters {
		c := &f.Status.Clusters[i]
		twins[c.Name] = len(c.SameAs) > 0
		f.cluster(c)
	}
	for _, p := range f.Status.Problems {
		if twins[p.Cluster] && strings.HasPrefix(p.Error, "is the same cluster as") {
			continue
		}
		source := p.Source
		if p.Context != "" {
			source += ", context " + p.Context
		}
		f.add("FL1001", api.Finding{Cluster: p.Cluster, Source: source, Since: p.Since}, because("The description in "+source+" cannot be used", p.Error))
	}
	if len(f.Status.Clusters) == 0 && len(f.Status.Problems) == 0 {
		f.add("FL1015", api.Finding{}, "No cluster is described.")
	}
}

func (f *finder) cluster(c *api.Cluster) {
	if len(c.SameAs) > 0 {
		f.add("FL1002", api.Finding{Cluster: c.Name, Source: c.Source}, fmt.Sprintf("Cluster %s is the same cluster as %s.", c.Name, strings.Join(c.SameAs, ", ")))
	}
	probe := f.probes[c.Name]
	if probe != nil {
		f.credentials(c, probe)
	}
	switch c.State {
	case member.Live:
	case member.Gone:
		return
	default:
		f.connection(c, probe)
		return // what follows from it is not told
	}
	if ledger.ByDigest(c.UID) {
		f.add("FL1009", api.Finding{Cluster: c.Name, Severity: api.SeverityInfo},
			"The namespace kube-system cannot be read: a digest of address and CA stands for the cluster's identity.")
	}
	if probe != nil {
		f.answers(c, probe)
	}
	f.streams(c, probe)
	f.lanes(c)
}

// connection tells why a cluster is not live.
func (f *finder) connection(c *api.Cluster, probe *api.MemberProbe) {
	about := api.Finding{Cluster: c.Name, Source: c.Source, Since: c.Since}
	code, what := whyNotLive(c)
	switch {
	case code == "FL1014" && probe != nil && probe.Plugin != "":
		what += "; its credential plugin is " + probe.Plugin
	case code == "FL1014":
		what += " (" + c.Reason + ")"
	}
	if code == "FL1014" && !f.longer(c.Since, patienceConnecting) {
		about.Severity = api.SeverityInfo
	}
	if code == "FL1012" && !f.longer(c.Since, patienceStale) {
		return // a probe is under way
	}
	said := c.LastError
	if code == codePaused {
		if f.isPaused(c.Name, "") {
			return // by an operator, which is told
		}
		said = ""
	}
	f.add(code, about, because(what, said))
}

// whyNotLive returns the code for the state of a cluster that is not live, and what it is
// in words. The reasons are those of docs/troubleshooting.md.
func whyNotLive(c *api.Cluster) (code, what string) {
	has := func(texts ...string) bool {
		return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(c.LastError, text) })
	}
	name := "Cluster " + c.Name
	switch c.State {
	case member.Paused:
		return codePaused, name + " is paused"
	case member.Stale:
		return "FL1012", name + " has fallen silent (" + c.Reason + ")"
	case member.Connecting:
		if strings.HasPrefix(c.Reason, "kube-system") {
			return "FL1009", "The namespace kube-system of cluster " + c.Name + " cannot be read"
		}
		if strings.Contains(c.Reason, "plugin") {
			return "FL1006", "The credential plugin of cluster " + c.Name + " gives no credentials"
		}
		return "FL1014", name + " has not answered yet"
	}
	switch reason := c.Reason; {
	case reason == "credentials refused", reason == "unauthorized":
		return "FL1005", name + " does not accept the credentials"
	case reason == "another cluster answers under this name", reason == "replaced":
		return "FL1008", "Another cluster answers under the name " + c.Name
	case reason == "not known whether it is the same cluster", reason == "unidentified":
		return "FL1009", "It is not known whether it is cluster " + c.Name + " that answers"
	case reason == "configuration unusable", reason == "unusable":
		return "FL1011", "The client configuration of cluster " + c.Name + " cannot be used"
	case strings.Contains(reason, "plugin"):
		return "FL1006", "The credential plugin of cluster " + c.Name + " gives no credentials"
	case reason == "invalid", has("is not what a Kubernetes API server says", "server gave HTTP response to HTTPS client", "does not answer as an HTTP server"):
		return "FL1007", "What answers at the address of cluster " + c.Name + " is no API server"
	case has("x509:", "failed to verify certificate"):
		return "FL1004", "The certificate that cluster " + c.Name + " shows is not trusted"
	case reason == "throttled", reason == "unavailable":
		return "FL1010", name + " answers with errors"
	}
	return "FL1003", name + " cannot be reached"
}
