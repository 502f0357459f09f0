package simserver

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log" //nolint:depguard // net/http takes no other logger
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"k8s.io/client-go/rest"
)

// Defaults of Options.
const (
	DefaultSize      = 2600
	DefaultWindow    = 1000
	DefaultBookmarks = time.Minute
)

// Options is the shape of the simulated fleet.
type Options struct {
	// Clusters is how many members there are. Zero means 1. Their names are
	// cluster-0000, cluster-0001, and so on.
	Clusters int
	// Resources are plural names, with ".group" behind them if they are not of
	// the core group, each of version v1. None means configmaps.
	Resources []string
	// Objects is how many objects of each resource each member has at first, and
	// ObjectsOf says so of single resources, by their names in Resources.
	Objects   int
	ObjectsOf map[string]int
	// Size is the bytes of an object's JSON; what an object has at least, about
	// 700 bytes, is not gone below. Zero means DefaultSize.
	Size int
	// Window is how many past events a resource of a member keeps for watches to
	// resume from. Zero means DefaultWindow.
	Window int
	// Bookmarks is the time between bookmarks of a watch. Zero means
	// DefaultBookmarks.
	Bookmarks time.Duration
	// Address is where to listen. Empty means a free port of the loopback.
	Address string
	// PlainHTTP leaves TLS out.
	PlainHTTP bool
}

// Server simulates a fleet. Make one with New.
type Server struct {
	o         Options
	resources []resource
	members   []*Member
	byName    map[string]*Member
	listener  net.Listener
	tls       *tls.Config
	ca        []byte
	http      http.Server
	stopping  chan struct{} // closed when Run ends: watches end
	live      atomic.Pointer[generation]
	stats     counters
}

// counters are what Stats tells.
type counters struct {
	requests, lists, watches, open, events, bytes atomic.Int64
}

// Stats is what was asked of the server so far.
type Stats struct {
	Requests int64 // of every kind
	Lists    int64 // pages of LISTs, and streaming lists
	Watches  int64 // begun
	Open     int64 // watches that are open now
	Events   int64 // frames sent, bookmarks not counted
	Bytes    int64 // of these
}

// New listens, and answers nothing until Run.
func New(o Options) (*Server, error) {
	o.Clusters = cmp.Or(max(o.Clusters, 0), 1)
	o.Size = cmp.Or(max(o.Size, 0), DefaultSize)
	o.Window = cmp.Or(max(o.Window, 0), DefaultWindow)
	o.Bookmarks = cmp.Or(max(o.Bookmarks, 0), DefaultBookmarks)
	o.Address = cmp.Or(o.Address, "127.0.0.1:0")
	if len(o.Resources) == 0 {
		o.Resources = []string{"configmaps"}
	}
	s := &Server{o: o, byName: map[string]*Member{}, stopping: make(chan struct{})}
	for _, name := range o.Resources {
		r, err := parseResource(name)
		if err != nil {
			return nil, err
		}
		if slices.Contains(s.resources, r) {
			return nil, fmt.Errorf("resource %q: is given twice", name)
		}
		s.resources = append(s.resources, r)
	}
	for i := range o.Clusters {
		m := newMember(s, i)
		s.members = append(s.members, m)
		s.byName[m.name] = m
	}
	var err error
	if s.listener, err = (&net.ListenConfig{}).Listen(context.Background(), "tcp", o.Address); err != nil {
		return nil, fmt.Errorf("listen for the simulated members: %w", err)
	}
	if !o.PlainHTTP {
		if s.tls, s.ca, err = certificate(); err != nil {
			return nil, errors.Join(err, s.listener.Close())
		}
	}
	s.live.Store(newGeneration())
	s.http = http.Server{
		Handler:           s,
		TLSConfig:         s.tls,
		ReadHeaderTimeout: time.Minute,
		ErrorLog:          log.New(io.Discard, "", 0), // handshakes that clients break off
	}
	return s, nil
}

// objects returns how many objects of a resource each member has at first.
func (s *Server) objects(i int) int {
	if n, ok := s.o.ObjectsOf[s.o.Resources[i]]; ok {
		return n
	}
	return s.o.Objects
}

// Run serves until ctx ends; then it ends all watches and returns nil. It can be
// called once.
func (s *Server) Run(ctx context.Context) error {
	served := make(chan error, 1)
	go func() {
		if s.tls != nil {
			served <- s.http.ServeTLS(s.listener, "", "")
		} else {
			served <- s.http.Serve(s.listener)
		}
	}()
	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
	}
	close(s.stopping)
	// Handlers end with their connections; Shutdown waits for them.
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if s.http.Shutdown(grace) != nil {
		_ = s.http.Close()
	}
	if err == nil {
		err = <-served
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve the simulated members: %w", err)
}

// URL is where the member of a name is.
func (s *Server) url(name string) string {
	scheme := "https"
	if s.tls == nil {
		scheme = "http"
	}
	return scheme + "://" + s.listener.Addr().String() + membersPath + name
}

// Members returns all members, always in the same order.
func (s *Server) Members() []*Member { return s.members }

// Stats tells what was asked so far.
func (s *Server) Stats() Stats {
	c := &s.stats
	return Stats{
		Requests: c.requests.Load(), Lists: c.lists.Load(), Watches: c.watches.Load(),
		Open: c.open.Load(), Events: c.events.Load(), Bytes: c.bytes.Load(),
	}
}

// CutWatches ends every open watch, as a restart of a load balancer does.
func (s *Server) CutWatches() { s.live.Swap(newGeneration()).end() }

// generation is the watches between two cuts.
type generation struct{ ended chan struct{} }

func newGeneration() *generation { return &generation{make(chan struct{})} }
func (g *generation) end()       { close(g.ended) }

// Name is the member's name, and that of its context in a kubeconfig.
func (m *Member) Name() string { return m.name }

// Config says how to connect. It is the caller's own.
func (m *Member) Config() *rest.Config {
	return &rest.Config{Host: m.server.url(m.name), TLSClientConfig: rest.TLSClientConfig{CAData: m.server.ca}}
}
