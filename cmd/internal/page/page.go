package page

import (
	"context"
	"net/http"
	"time"

	"github.com/go-logr/logr"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/pipeline/stage"
)

// Options are what pages are made of. Only Status is needed.
type Options struct {
	// Status tells where everything stands; its clusters are in the order of their names.
	// What it returns is the page's, which does not change it.
	Status  func(now time.Time) api.Status
	Version string // of the program
	// Limits tells what each route takes of a cluster at most.
	Limits func(cluster string) []api.RouteLimit
	// Credentials tells how a cluster is reached. It returns no secrets.
	Credentials func(cluster string) api.Credentials
	// DeadLetters counts what sinks have refused for good since the start; nil: none are kept.
	DeadLetters func() uint64
	// Batches counts what a route has written to its sink since its settings have changed, or
	// the start.
	Batches func(route string) (batches, changes uint64)
	// Explain says why the object is where it is that the parameters cluster, resource,
	// namespace and name of a request name. Its answer is shown as its JSON has it, and an
	// api.Error with a code other than 200 as a text. nil: the page names the command instead.
	Explain func(r *http.Request) (code int, answer any)
	Log     logr.Logger
}

// Page serves the status page.
type Page struct {
	opts    Options
	keeper  *keeper
	feed    *feed
	mux     *http.ServeMux
	results results       // of orders
	making  chan struct{} // holds one for each page that is being made
}

// mostAtOnce is how many pages are made at once; others wait for their turn, for a while.
const mostAtOnce = 4

// New returns the page. It starts nothing: Run does.
func New(o Options) *Page {
	p := &Page{opts: o, keeper: newKeeper(o.Status), feed: newFeed(o.Log), making: make(chan struct{}, mostAtOnce)}
	p.mux = p.views(false)
	return p
}

// views serves all that can be read. Those of pages that act have buttons.
func (p *Page) views(act bool) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", http.RedirectHandler("/status", http.StatusFound))
	mux.Handle("GET /status/{$}", http.RedirectHandler("/status", http.StatusMovedPermanently))
	mux.HandleFunc("GET /status/assets/{name}", serveAsset)
	for pattern, v := range map[string]view{
		"/status":                 {make: p.overview, every: 2 * time.Second},
		"/status/clusters":        {make: p.clusters, every: 5 * time.Second},
		"/status/clusters/{name}": {make: p.cluster, every: 2 * time.Second},
		"/status/cluster":         {make: p.cluster, every: 2 * time.Second}, // ?name=, see addressOf
		"/status/route":           {make: p.route, every: 2 * time.Second},
		"/status/routes/{name}":   {make: p.route, every: 2 * time.Second},
		"/status/object":          {make: p.object, slow: true},
		"/status/{rest...}":       {make: p.nothing},
	} {
		v.acts = act
		mux.Handle("GET "+pattern, p.serve(v))
	}
	return mux
}

// Handler serves all addresses of the page, which change nothing.
func (p *Page) Handler() http.Handler { return p.mux }

// Acting serves them with buttons, and gives the orders that these stand for. Whoever reaches it
// may give them: the caller sees to it that a browser sends them for no page but these.
func (p *Page) Acting(order Order) http.Handler {
	mux := p.views(true)
	mux.Handle("GET "+orderPath, http.RedirectHandler("/status", http.StatusSeeOther)) // somebody asks for the address of an answer
	mux.Handle("POST "+orderPath, p.act(order))
	return mux
}

// Observe counts what a route's sink has answered. It takes well below a microsecond.
func (p *Page) Observe(route string, d stage.Delivery) {
	p.keeper.observed.of(route).note(time.Now(), d)
}

// Run looks at the program every ten seconds, and sends pages to those who follow, until
// ctx ends. Then those streams end. It returns nil.
func (p *Page) Run(ctx context.Context) error {
	defer p.feed.end()
	samples := time.NewTicker(every)
	defer samples.Stop()
	p.keeper.sample()
	round := time.NewTimer(0)
	round.Stop()
	defer round.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-samples.C:
			p.keeper.sample()
		case <-p.feed.joined:
			round.Reset(atLeast)
		case <-round.C:
			// One page at a time, so that none keeps deliveries from a core for long.
			began := time.Now()
			more, followed := p.feed.send(p.keeper.snapshot())
			pause := share * time.Since(began)
			if !more {
				pause = max(pause, atLeast)
			}
			if followed {
				round.Reset(pause)
			}
		}
	}
}
