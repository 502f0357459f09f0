package app

import (
	"context"
	"fmt"
	"net/http"
	"net/http/pprof"
	"strconv"
	"strings"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// profilesPath is where `go tool pprof` looks.
const profilesPath = "/debug/pprof/"

// namedProfiles are those that show what is, rather than what happens.
var namedProfiles = []string{"allocs", "block", "goroutine", "heap", "mutex", "threadcreate"}

// profiling holds one for each profile that is being made, of at most two: each takes
// memory and stops the program for moments, and they are of the process as a whole.
var profiling = make(chan struct{}, 2)

// profiles are the profiles of this process, whether it leads or not. They hold the names
// of functions and counts, and nothing of objects. They are asked of the admin address only,
// because a profile of the CPU costs some, and a list of all goroutines stops the program
// for a moment. Block and mutex are empty unless somebody has built the program otherwise.
func (a *admin) profiles() map[string]http.Handler {
	index := "profile (CPU, ?seconds=30)\ntrace (of the scheduler, ?seconds=1)\n" + strings.Join(namedProfiles, "\n") + "\n"
	all := map[string]http.Handler{
		"": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			if _, err := fmt.Fprint(w, index); err != nil {
				a.log.V(1).Info("Could not answer a request", "path", profilesPath, "reason", err.Error())
			}
		}),
		"profile": a.forSeconds(pprof.Profile, false),
		"trace":   a.forSeconds(pprof.Trace, true),
	}
	for _, name := range namedProfiles {
		all[name] = a.forSeconds(pprof.Handler(name).ServeHTTP, false)
	}
	byPath := make(map[string]http.Handler, len(all))
	for name, h := range all {
		byPath["GET "+profilesPath+name] = h
	}
	return byPath
}

// forSeconds has f answer, which takes as long as it is asked to: whole seconds, or parts
// of one too. net/http/pprof takes what it does not understand for 30 seconds.
func (a *admin) forSeconds(f http.HandlerFunc, parts bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if text := r.URL.Query().Get("seconds"); text != "" {
			seconds, err := strconv.ParseFloat(text, 64)
			what := "number"
			if !parts {
				what = "whole number"
				var whole int
				whole, err = strconv.Atoi(text)
				seconds = float64(whole)
			}
			if err != nil || !(seconds > 0 && seconds <= longestWait.Seconds()) {
				a.answer(w, r, http.StatusBadRequest, api.Error{Error: fmt.Sprintf("seconds=%q is no %s up to %v", text, what, longestWait.Seconds())})
				return
			}
		}
		select {
		case profiling <- struct{}{}:
			defer func() { <-profiling }()
		default:
			w.Header().Set("Retry-After", "30")
			a.answer(w, r, http.StatusServiceUnavailable, api.Error{Error: fmt.Sprintf("%d profiles are being made already; ask again when they are done", cap(profiling))})
			return
		}
		// It ends when the program is asked to stop. net/http/pprof refuses what takes longer
		// than the server's timeout, unless it finds no server: the handler has extended that.
		ctx, cancel := context.WithCancel(context.WithValue(r.Context(), http.ServerContextKey, nil))
		defer cancel()
		go func() {
			select {
			case <-a.stop:
				cancel()
			case <-ctx.Done():
			}
		}()
		f(w, r.WithContext(ctx))
	})
}
