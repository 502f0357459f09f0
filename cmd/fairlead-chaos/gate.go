package main

import (
	"context"
	"net/http"
	"sync/atomic"
)

// gate stands before servers of HTTP, and answers in their place while it is to refuse.
type gate struct {
	refuses atomic.Int32 // with this status; 0: nothing
	asked   atomic.Int64 // while it refuses some
}

// before returns what passes on what the gate does not refuse. It refuses only what is
// posted: whoever asks what he may do gets the server's answer.
func (g *gate) before(to http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) { g.pass(to, w, request) })
}

func (g *gate) pass(to http.Handler, w http.ResponseWriter, request *http.Request) {
	status := int(g.refuses.Load())
	switch {
	case request.Method != http.MethodPost:
		status = 0
	case status == http.StatusTooManyRequests: // some, and for a second
		if g.asked.Add(1)%3 == 0 {
			status = 0
		} else {
			w.Header().Set("Retry-After", "1")
		}
	}
	if status == 0 {
		to.ServeHTTP(w, request)
		return
	}
	http.Error(w, "refuses on purpose", status)
}

// faults are those that it makes.
func (g *gate) faults() map[kind]stroke {
	set := func(status int32) func(context.Context) error {
		return func(context.Context) error {
			g.refuses.Store(status)
			return nil
		}
	}
	return map[kind]stroke{
		destinationRefuses:   {set(http.StatusServiceUnavailable), set(0)},
		destinationDenies:    {set(http.StatusUnauthorized), set(0)}, // as if a token had expired
		destinationThrottles: {set(http.StatusTooManyRequests), set(0)},
	}
}
