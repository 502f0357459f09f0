package findings

import (
	"fmt"
	"math"
	"time"

	"k8s.io/apimachinery/pkg/util/version"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// Bounds of what clusters say of themselves.
const (
	mostSkew    = 30 * time.Second // a JWT's leeway is seconds, a Lease's duration 15 s
	mostLatency = 2 * time.Second
	expiresSoon = 7 * 24 * time.Hour
)

// oldest is the oldest version of Kubernetes that is supported: it serves all of discovery
// in one document.
var oldest = version.MustParseGeneric("1.26")

// credentials tells which of them end.
func (f *finder) credentials(c *api.Cluster, probe *api.MemberProbe) {
	for _, k := range probe.Credentials {
		about := api.Finding{Cluster: c.Name, Source: c.Source}
		left := k.Expires.Sub(f.Now)
		code, ends := "FL1020", "expires on "
		switch {
		case left > soon(k):
			continue
		case left <= 0 && k.Mine:
			code, ends = "FL1021", "has expired on "
		case left <= 0:
			code, ends, about.Severity = "FL1022", "has expired on ", api.SeverityError
		case k.Renewed:
			continue // whoever renews it has its time
		case !k.Mine:
			code = "FL1022"
		}
		f.add(code, about, fmt.Sprintf("%s of cluster %s %s%s.", k.What, c.Name, ends, k.Expires.UTC().Format(time.RFC3339)))
	}
}

// soon is how long before its end a credential should have been renewed. What lives for
// days only is renewed by something that does so often.
func soon(k api.Credential) time.Duration {
	if k.Issued.IsZero() {
		return expiresSoon
	}
	return min(expiresSoon, k.Expires.Sub(k.Issued)/5)
}

// answers tells what the answers of a cluster that is live are not as they should be.
func (f *finder) answers(c *api.Cluster, probe *api.MemberProbe) {
	about := api.Finding{Cluster: c.Name, Source: c.Source}
	if probe.Error != "" {
		f.add("FL1026", about, because("Cluster "+c.Name+" is live and could not be asked", probe.Error))
	}
	if s := probe.SkewSeconds; s != nil && math.Abs(*s) > mostSkew.Seconds() {
		how := "ahead of"
		if *s < 0 {
			how = "behind"
		}
		by := (time.Duration(math.Abs(*s)) * time.Second).String()
		f.add("FL1023", about, fmt.Sprintf("The clock of cluster %s is %s %s that of the machine that asks.", c.Name, by, how))
	}
	if v, err := version.ParseSemantic(probe.Version); err == nil && v.LessThan(oldest) {
		f.add("FL1024", about, fmt.Sprintf("Cluster %s is of version %s; %s is the oldest that is supported.", c.Name, probe.Version, oldest))
	}
	if took := time.Duration(probe.LatencySeconds * float64(time.Second)); took > mostLatency {
		f.add("FL1025", about, fmt.Sprintf("GET /version of cluster %s took %v.", c.Name, took.Round(10*time.Millisecond)))
	}
}
