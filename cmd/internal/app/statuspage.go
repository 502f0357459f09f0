package app

import (
	"cmp"

	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/cmd/internal/page"
)

// newStatusPage makes the status page, which the health server and the admin server
// show. It is told of what sinks answer from now on.
func (p *program) newStatusPage() *page.Page {
	o := page.Options{
		Status: p.status, Version: cmp.Or(p.settings.options.Version, "dev"), Limits: p.limitsOf, Credentials: p.credentialsOf, Explain: p.explainer(), Log: p.log.WithName("page"),
	}
	o.Batches = func(route string) (batches, changes uint64) {
		if e := p.current(); e != nil {
			for _, r := range e.routes {
				if r.name == route {
					return r.batcher.Written()
				}
			}
		}
		return 0, 0
	}
	if p.settings.DeadLetter != "" {
		o.DeadLetters = func() uint64 {
			if p.current() == nil {
				return 0 // they are not open yet
			}
			return p.dead.written.Load()
		}
	}
	made := page.New(o)
	p.observers.add(made.Observe)
	return made
}

// limitsOf tells what each route takes of a cluster at most.
func (p *program) limitsOf(cluster string) []api.RouteLimit {
	e := p.current()
	if e == nil {
		return nil
	}
	var all []api.RouteLimit
	for _, r := range e.routes {
		l := r.buckets.Limit(cluster)
		all = append(all, api.RouteLimit{Route: r.name, QPS: l.QPS, Burst: l.Burst, SnapshotQPS: r.snapshots.Limit(cluster).QPS})
	}
	return all
}

// credentialsOf tells how a cluster is reached, and nothing that is secret.
func (p *program) credentialsOf(cluster string) api.Credentials {
	m := p.members.get(cluster)
	return api.Credentials{Source: m.Source, Kind: credentialsKind(m.REST)}
}

// credentialsKind names what a configuration authenticates with.
func credentialsKind(c *rest.Config) string {
	switch {
	case c == nil:
		return ""
	case c.ExecProvider != nil:
		return "plugin " + c.ExecProvider.Command
	case c.AuthProvider != nil:
		return "provider " + c.AuthProvider.Name
	case c.BearerTokenFile != "":
		return "token in the file " + c.BearerTokenFile
	case c.BearerToken != "":
		return "token"
	case len(c.CertData) > 0 || c.CertFile != "":
		return "client certificate"
	case c.Username != "":
		return "password"
	default:
		return "none"
	}
}
