package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/cmd/internal/ctl"
	"github.com/fairlead-dev/fairlead/cmd/internal/page"
	"github.com/fairlead-dev/fairlead/sources"
)

// admin serves what changes a running program. Whoever reaches it may use it:
// it belongs on a loopback address.
type admin struct {
	following string      // why this process has nothing to change; empty: it has
	instead   string      // what to do then
	leader    *api.Leader // who has, if this process follows
	toLeader  string      // the command that reaches its admin address; empty: none is known
	members   func() []sources.MemberStatus
	replay    func(ctx context.Context, r replayRequest) (sources.Replaying, error)
	retry     func(cluster string) (sources.Retrying, error)
	check     func(ctx context.Context, deep bool) (*api.Check, error)
	dead      *deadLetters
	orders    *orders
	routes    []string          // names
	flags     func() []api.Flag // in effect
	election  *api.Election     // nil: there is none
	stepDown  func()            // has this leader give way
	tails     http.Handler      // GET /tail
	diff      http.Handler      // GET and POST /diff
	metrics   http.Handler      // GET /metrics
	pages     *http.ServeMux    // of the health server, with buttons
	name      string            // of the host in the admin address; empty: it is an IP address
	stop      <-chan struct{}   // closed when the program is asked to stop
	log       logr.Logger
}

// errChanging is why nothing can be asked for in a moment.
var errChanging = errors.New("the settings are being changed")

// adminServer serves the endpoints of admin, and the pages of the health server.
func (p *program) adminServer(l net.Listener) *manager.Server {
	if a, ok := l.Addr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
		p.log.Info("Warning: the admin address can be reached from elsewhere, and whoever reaches it may read what is delivered, pause and replay clusters, and send dead letters again",
			"address", l.Addr().String(), "instead", "--admin-bind-address="+ctl.DefaultAddress)
	}
	metrics, name := p.metricsPage(), nameIn(p.settings.AdminBindAddress) // made once: pages bound how many requests are under way
	var pages *http.ServeMux
	now := func() *admin {
		election := p.electionStatus()
		a := &admin{
			election: election, stepDown: p.stepDown.ask,
			following: election.Following(), instead: election.AskLeader(), flags: p.flagsInEffect, pages: pages, name: name, tails: &p.tails, diff: http.HandlerFunc(p.serveDiff), metrics: metrics, stop: p.stopping, log: p.log,
		}
		if a.following != "" {
			a.leader = &api.Leader{Identity: election.Leader, Host: election.LeaderHost, Address: election.LeaderAddress}
			a.toLeader = p.toLeader(a.leader, podNamespace)
		}
		switch e := p.current(); {
		case p.changing.Load() != nil:
			a.following, a.instead = errChanging.Error(), "ask again"
		case e != nil:
			a.members, a.dead, a.orders, a.routes = e.sources.Status, p.dead, p.orders, e.settings.sinkNames()
			a.check = func(ctx context.Context, deep bool) (*api.Check, error) { return p.check(ctx, e, deep) }
			a.retry = e.sources.RetryNow
			a.replay = func(ctx context.Context, q replayRequest) (sources.Replaying, error) {
				r, err := q.of(ctx, e.sources)
				if p.changing.Load() != nil || p.current() != e {
					err = errors.Join(errChanging, err)
				}
				return r, err
			}
		case a.following == "":
			a.following, a.instead = "leads, but does not deliver yet", "ask again"
		}
		return a
	}
	pages = p.actingPages(func(r *http.Request, path string, q url.Values) page.Ordered { return now().orderOfPage(r, path, q) })
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { now().handler().ServeHTTP(w, r) })
	return newServer("admin", handler, l, 2*time.Second)
}

// endpoints are what can be asked for, by method and path. What changes something is
// posted.
func (a *admin) endpoints() map[string]http.Handler {
	all := map[string]http.Handler{
		"GET /flags":              http.HandlerFunc(a.serveFlags),
		"GET /metrics":            a.metrics,
		"GET /check":              a.answers(a.serveCheck),
		"POST /check":             a.answers(a.serveCheck),
		"POST /replay":            a.answers(a.serveReplay),
		"POST /pause":             a.answers(a.servePause),
		"POST /resume":            a.answers(a.serveResume),
		"POST /step-down":         a.answers(a.serveStepDown),
		"POST /retry":             a.answers(a.serveRetryNow),
		"GET /limits":             a.answers(a.serveLimits),
		"POST /limits":            a.answers(a.serveOrderLimits),
		"POST /dead-letter/retry": a.answers(a.serveRetry),
		"GET /tail":               a.delivering(http.HandlerFunc(a.serveTail)),
		"GET /diff":               a.delivering(a.diff),
		"POST /diff":              a.delivering(a.diff),
	}
	maps.Copy(all, a.profiles())
	return all
}

// answers writes what f returns, for requests that only the process that delivers can
// answer.
func (a *admin) answers(f func(*http.Request) (code int, answer any)) http.Handler {
	return a.delivering(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		code, answer := f(r)
		a.answer(w, r, code, answer)
	}))
}

func (a *admin) answer(w http.ResponseWriter, r *http.Request, code int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(answer); err != nil {
		a.log.V(1).Info("Could not answer a request", "path", r.URL.Path, "reason", err.Error())
	}
}

// delivering has h answer if this process delivers.
func (a *admin) delivering(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := a.unable(); err != nil {
			a.answer(w, r, http.StatusServiceUnavailable, err)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// unable is why this process can do nothing of what is asked for; nil: it can.
func (a *admin) unable() *api.Error {
	if a.following != "" {
		return &api.Error{Error: "nothing is delivered from here (" + a.following + "); " + a.instead, Leader: a.leader}
	}
	select {
	case <-a.stop:
		return &api.Error{Error: "the program is stopping: ask the one that goes on"}
	default:
		return nil
	}
}

// handler serves the endpoints and, to all that ask otherwise, the pages of the health
// server.
func (a *admin) handler() http.Handler {
	endpoints := a.endpoints()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		endpoint, ok := endpoints[r.Method+" "+r.URL.Path]
		if err := fromHere(r, !ok, a.name); err != nil {
			a.answer(w, r, http.StatusForbidden, api.Error{Error: err.Error()})
			return
		}
		if ok && mayWait(r) {
			rc, until := http.NewResponseController(w), time.Now().Add(longestWait+writeTimeout)
			if err := errors.Join(rc.SetReadDeadline(until), rc.SetWriteDeadline(until)); err != nil {
				a.log.V(1).Info("Could not give a request more time", "path", r.URL.Path, "reason", err.Error())
			}
		}
		if ok {
			endpoint.ServeHTTP(w, r)
			return
		}
		if _, ok := endpoints["POST "+r.URL.Path]; ok {
			w.Header().Set("Allow", http.MethodPost)
			a.answer(w, r, http.StatusMethodNotAllowed, api.Error{Error: fmt.Sprintf("%s does nothing here; use POST", r.Method)})
			return
		}
		if a.pages != nil {
			if r.Method == http.MethodPost { // it may ask a cluster
				if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(orderStored + replayListed + writeTimeout)); err != nil {
					a.log.V(1).Info("Could not give a request more time", "path", r.URL.Path, "reason", err.Error())
				}
			}
			if h, pattern := a.pages.Handler(r); pattern != "" {
				h.ServeHTTP(w, r)
				return
			}
		}
		a.answer(w, r, http.StatusNotFound, api.Error{Error: fmt.Sprintf("there is no %q", r.URL.Path), Known: slices.Sorted(maps.Keys(endpoints))})
	})
}

// mayWait reports whether who asks may have asked to wait, for longer than other servers'
// clients may take.
func mayWait(r *http.Request) bool {
	return r.Method == http.MethodPost || slices.Contains([]string{"/check", "/tail", "/diff"}, r.URL.Path) || strings.HasPrefix(r.URL.Path, profilesPath)
}

// parameters returns the query's parameters, of which there may be those
// allowed.
func parameters(r *http.Request, allowed ...string) (url.Values, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("the query: %w", err)
	}
	for name, given := range values {
		if !slices.Contains(allowed, name) {
			return nil, fmt.Errorf("unknown parameter %q; there are %s", name, strings.Join(allowed, ", "))
		}
		if len(given) > 1 {
			return nil, fmt.Errorf("%s is given %d times; give it once", name, len(given))
		}
	}
	return values, nil
}

// How long POST /dead-letter/retry waits for what it sends, unless it is told.
const (
	defaultWait = 10 * time.Second
	longestWait = 10 * time.Minute
)

func (a *admin) serveRetry(r *http.Request) (int, any) {
	q, err := parameters(r, "wait")
	if err != nil {
		return http.StatusBadRequest, api.Error{Error: err.Error()}
	}
	wait := defaultWait
	if s := q.Get("wait"); s != "" {
		if wait, err = time.ParseDuration(s); err != nil || wait < 0 || wait > longestWait {
			return http.StatusBadRequest, api.Error{Error: fmt.Sprintf("wait=%q is no duration up to %v, such as 30s", s, longestWait)}
		}
	}
	if a.dead == nil {
		return http.StatusNotFound, api.Error{Error: errNoDeadLetters.Error()}
	}
	again := a.dead.resend()
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	again.wait(ctx, a.stop)
	switch s := again.status(); {
	case s.Error != "":
		return http.StatusInternalServerError, s
	case s.State == isDone:
		return http.StatusOK, s
	default:
		return http.StatusAccepted, s
	}
}

var errNoDeadLetters = errors.New("no dead letters are kept; start fairlead run with --dead-letter PATH")
