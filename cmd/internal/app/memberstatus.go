package app

import (
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/memberstatus"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/sources"
	"github.com/fairlead-dev/fairlead/sources/fleet"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// checkMemberStatus reports what is wrong with --member-status.
func (c *Config) checkMemberStatus(p *problems) {
	if c.MemberStatus == "" {
		return
	}
	if wrong := validation.IsDNS1123Label(c.MemberStatus); len(wrong) > 0 {
		p.add("member-status", "%q cannot be a namespace: %s", c.MemberStatus, strings.Join(wrong, "; "))
	}
}

// newMemberStatus returns what has the hub tell where the members stand; nil if nothing is
// to.
func (p *program) newMemberStatus() *memberstatus.Writer {
	s := p.settings
	if s.MemberStatus == "" {
		return nil
	}
	standing := standing{}
	return memberstatus.New(memberstatus.Options{
		Namespace: s.MemberStatus,
		Config:    func() (*rest.Config, error) { return fleet.LoadHub(s.HubKubeconfig) },
		Members:   func() ([]memberstatus.Member, bool) { return standing.of(p, time.Now()) },
		Known:     p.fleet.Known,
		UserAgent: s.userAgent(), Log: p.log.WithName("member-status"),
	})
}

// startMemberStatus runs it. An error of the hub ends nothing.
func (p *program) startMemberStatus(ps *parts) (stop func()) {
	if p.memberStatus == nil {
		return func() {}
	}
	return ps.start("the status of members", p.memberStatus.Run)
}

// standing makes the status of members. One goroutine uses it.
type standing struct {
	engine  *engine
	members map[string]*seen // by name
}

// seen is what is remembered of one member.
type seen struct {
	first     time.Time                       // with this engine
	throttled memberstatus.Throttling[string] // by route
}

// of returns where all members stand; ok is false while no engine can tell.
func (x *standing) of(p *program, now time.Time) (_ []memberstatus.Member, ok bool) {
	engine := p.current()
	if p.changing.Load() != nil {
		return nil, false
	}
	_, lanes := engine.routes.lanes()
	states := map[string]*sources.MemberStatus{}
	status := engine.sources.Status()
	for i := range status {
		states[status[i].Connection.Cluster] = &status[i]
	}
	names := p.members.names()
	all := make([]memberstatus.Member, 0, len(names))
	members := make(map[string]*seen, len(names))
	for _, name := range names {
		m := memberstatus.Member{Name: name}
		if of := states[name]; of != nil && of.Connection.State != member.Gone {
			s := x.members[name]
			if s == nil {
				s = &seen{}
			}
			if s.first.IsZero() || x.engine != engine {
				s.first = now
			}
			members[name] = s
			m.Status = memberStatusOf(of, now)
			m.Status.Conditions = append(m.Status.Conditions, s.throttled.Look(missing(lanes[name]), now))
			m.Starting = isStarting(of) && now.Sub(s.first) < engine.settings.ConnectTimeout+startMargin
		}
		all = append(all, m)
	}
	x.engine, x.members = engine, members
	// What an engine says that is stopping meanwhile is not news of the members.
	return all, p.changing.Load() == nil && p.current() == engine
}

// startMargin is how long a member may take after it was reached until its streams are
// live, while what its object says of before stays.
const startMargin = 10 * time.Second

// isStarting reports whether it is not known yet where a member stands: nothing has
// answered yet, and nothing has failed.
func isStarting(m *sources.MemberStatus) bool {
	switch m.Connection.State {
	case member.Connecting:
		return true
	case member.Live:
	default:
		return false
	}
	yet := m.Survey != nil && (m.Survey.State == member.Connecting || m.Survey.State == member.Syncing)
	for i := range m.Streams {
		switch m.Streams[i].State {
		case member.Connecting, member.Syncing:
			yet = true
		case member.BackingOff:
			return false
		}
	}
	return yet
}

// memberStatusOf returns what an object says of a member, but for its limits.
func memberStatusOf(m *sources.MemberStatus, now time.Time) *memberstatus.Status {
	c := &m.Connection
	s := &memberstatus.Status{
		State: string(c.State), Reason: c.Reason, UID: c.ClusterUID, ServerVersion: c.ServerVersion, Source: m.Source,
		Attempt: c.Attempt, Conditions: m.Conditions(now), Streams: memberstatus.Streams{All: len(m.Streams)},
	}
	if !c.NextRetry.IsZero() {
		s.NextRetry = new(metav1.NewTime(c.NextRetry))
	}
	index := map[string]int{}
	for i := range m.Streams {
		if m.Streams[i].State == member.Live {
			s.Streams.Live++
		}
		for _, r := range m.Streams[i].Routes {
			at, ok := index[r.Route]
			if !ok {
				at = len(s.Routes)
				index[r.Route] = at
				s.Routes = append(s.Routes, memberstatus.Route{Name: r.Route, InStep: true})
			}
			s.Routes[at].InStep = s.Routes[at].InStep && r.InStep
		}
	}
	return s
}

// missing returns for how long tokens have been missing in a cluster's lanes, by route.
func missing(lanes map[string]*queue.LaneStats) map[string]time.Duration {
	total := make(map[string]time.Duration, len(lanes))
	for route, l := range lanes {
		total[route] = l.Throttled
	}
	return total
}
