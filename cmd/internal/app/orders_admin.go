package app

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/validate/content"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

func (a *admin) servePause(r *http.Request) (int, any) {
	q, err := parameters(r, "cluster", "stream", "route", "mode", "for", "reason", "by")
	if err != nil {
		return http.StatusBadRequest, api.Error{Error: err.Error()}
	}
	of, err := a.targetOf(q)
	p := api.Pause{Target: of, Mode: cmp.Or(q.Get("mode"), api.PauseHold)}
	var wrong error
	p.Order, wrong = orderOf(q, time.Now())
	if err = errors.Join(err, wrong); err != nil {
		return http.StatusBadRequest, api.Error{Error: err.Error()}
	}
	switch {
	case p.Mode != api.PauseHold && p.Mode != api.PauseStop:
		return http.StatusBadRequest, api.Error{Error: fmt.Sprintf("mode=%q: there are %s and %s", p.Mode, api.PauseHold, api.PauseStop)}
	case p.Mode == api.PauseStop && p.Route != "":
		return http.StatusBadRequest, api.Error{Error: "a route has no watches of its own to stop: those that it shares go on for the others; use mode=hold"}
	}
	if code, wrong := a.resolve(&p.Target, "pause"); wrong != nil {
		return code, wrong
	}
	notStored, err := a.orders.pause(r.Context(), p)
	if err != nil {
		return http.StatusConflict, api.Error{Error: err.Error()}
	}
	return stored(notStored), api.Pausing{Pause: p, NotStored: notStored}
}

func (a *admin) serveResume(r *http.Request) (int, any) {
	q, err := parameters(r, "cluster", "stream", "route", "by")
	if err != nil {
		return http.StatusBadRequest, api.Error{Error: err.Error()}
	}
	of, err := a.targetOf(q)
	if err = errors.Join(err, checkOrderText("by", q.Get("by"), mostOrderText)); err != nil {
		return http.StatusBadRequest, api.Error{Error: err.Error()}
	}
	// It may have left since, and is resumed all the same.
	if code, wrong := a.resolve(&of, "resume"); code == http.StatusConflict {
		return code, wrong
	}
	p, notStored, err := a.orders.resume(r.Context(), of, q.Get("by"))
	if err != nil {
		var known []string
		for _, p := range a.orders.paused() {
			known = append(known, p.String())
		}
		return http.StatusNotFound, api.Error{Error: err.Error(), Known: known}
	}
	return stored(notStored), api.Pausing{Pause: p, NotStored: notStored}
}

// stored is the status of an answer: what is not stored is accepted.
func stored(notStored string) int {
	if notStored != "" {
		return http.StatusAccepted
	}
	return http.StatusOK
}

// resolve gives a resource its full name. Else it returns the status and the answer for what is
// not there, or cannot be the target of an order alone; order is the verb of that.
func (a *admin) resolve(t *api.Target, order string) (code int, wrong any) {
	given := t.Resource
	if err, known := a.isKnown(t); err != nil {
		return http.StatusNotFound, api.Error{Error: err.Error(), Known: known}
	}
	if others := a.sharing(*t, given); len(others) > 1 {
		return http.StatusConflict, api.Error{Error: fmt.Sprintf("%s is not alone: an order is of a resource, and %s are of the same; %s %s to have it of them all",
			clipped(given), strings.Join(others, " and "), order, clipped(t.Cluster+"/"+t.Resource)), Known: []string{t.Resource}}
	}
	return 0, nil
}

// sharing returns the streams of a cluster that are of one resource, if one of them is given by
// its own name and not by the resource's.
func (a *admin) sharing(p api.Target, given string) (streams []string) {
	if given == p.Resource {
		return nil
	}
	for _, m := range a.members() {
		for _, st := range m.Streams {
			if m.Connection.Cluster == p.Cluster && st.Resource == p.Resource {
				streams = append(streams, st.Stream)
			}
		}
	}
	return streams
}

// splitStream splits CLUSTER/RESOURCE. The name of a cluster may hold slashes: of those that are
// known, or paused or limited, the longest that fits counts.
func (a *admin) splitStream(of string) (cluster, resource string, ok bool) {
	consider := func(name string) {
		if rest, is := strings.CutPrefix(of, name+"/"); is && len(name) > len(cluster) {
			cluster, resource, ok = name, rest, true
		}
	}
	for _, m := range a.members() {
		consider(m.Connection.Cluster)
	}
	for _, p := range a.orders.paused() {
		consider(p.Cluster)
	}
	for _, l := range a.orders.limitOrders() {
		consider(l.Cluster)
	}
	if !ok {
		cluster, resource, ok = strings.Cut(of, "/")
	}
	return cluster, resource, ok && cluster != "" && resource != ""
}

// targetOf returns what an order is of.
func (a *admin) targetOf(q url.Values) (p api.Target, err error) {
	cluster, of, route := q.Get("cluster"), q.Get("stream"), q.Get("route")
	if n := len(slices.DeleteFunc([]string{cluster, of, route}, func(s string) bool { return s == "" })); n != 1 {
		return p, errors.New("of what? Give one of ?cluster=NAME, ?stream=CLUSTER/RESOURCE and ?route=NAME")
	}
	p = api.Target{Cluster: cluster, Route: route}
	if of != "" {
		var ok bool
		if p.Cluster, p.Resource, ok = a.splitStream(of); !ok {
			return p, fmt.Errorf("stream=%q: give CLUSTER/RESOURCE, such as edge-1/deployments.apps", clipped(of))
		}
	}
	for _, name := range []string{p.Cluster, p.Resource, p.Route} {
		if err := checkOrderText("the name", name, 2*mostOrderText); err != nil {
			return p, err
		}
	}
	return p, nil
}

// orderOf returns who asks for something, why and for how long.
func orderOf(q url.Values, now time.Time) (o api.Order, err error) {
	o = api.Order{By: q.Get("by"), Reason: q.Get("reason"), Since: now.UTC().Truncate(time.Second)}
	err = errors.Join(checkOrderText("by", o.By, mostOrderText), checkOrderText("reason", o.Reason, mostOrderText))
	if s := q.Get("for"); s != "" {
		d, wrong := time.ParseDuration(s)
		if wrong != nil || d < time.Second || d > mostOrderTime {
			return o, errors.Join(err, fmt.Errorf("for=%q is no duration from 1s to %v, such as 30m", clipped(s), mostOrderTime))
		}
		o.Until = o.Since.Add(d)
	}
	return o, err
}

// checkOrderText refuses what does not belong into a log line, a page or the ledger.
func checkOrderText(what, text string, most int) error {
	switch {
	case len(text) > most:
		return fmt.Errorf("%s has %d bytes; give at most %d", what, len(text), most)
	case !utf8.ValidString(text), strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Errorf("%s holds characters that cannot be printed; give one line of text", what)
	}
	return nil
}

// mostSegment is how long names of Kubernetes may be, in bytes.
const mostSegment = 253

// checkSegment refuses what can be no namespace or name of an object: a member's API server
// is asked for it by a path. Empty: none is given.
func checkSegment(what, text string) error {
	if len(text) > mostSegment {
		return fmt.Errorf("%s has %d bytes; give at most %d", what, len(text), mostSegment)
	}
	if wrong := content.IsPathSegmentName(text); len(wrong) > 0 {
		return fmt.Errorf("%s=%q: it %s", what, clipped(text), wrong[0])
	}
	return nil
}

// clipped bounds what an answer repeats.
func clipped(s string) string {
	if len(s) > 60 {
		s = strings.ToValidUTF8(s[:60], "") + "..."
	}
	return s
}

// isKnown reports what there is instead of the target of an order, if that is not there. A
// resource gets its full name.
func (a *admin) isKnown(p *api.Target) (err error, known []string) { //nolint:revive,staticcheck // the error says what known is of
	if p.Route != "" {
		if !slices.Contains(a.routes, p.Route) {
			return fmt.Errorf("there is no route %q", clipped(p.Route)), a.routes
		}
		return nil, nil
	}
	found, named := false, false
	var resources []string
	for _, m := range a.members() {
		known = append(known, m.Connection.Cluster)
		if m.Connection.Cluster != p.Cluster {
			continue
		}
		found = true
		for _, st := range m.Streams {
			if st.Resource == p.Resource || st.Stream == p.Resource && st.Resource != "" {
				p.Resource = st.Resource
				return nil, nil
			}
			named = named || st.Stream == p.Resource
			if st.Resource != "" {
				resources = append(resources, st.Resource)
			}
		}
	}
	switch {
	case !found:
		return fmt.Errorf("there is no cluster %q", clipped(p.Cluster)), known
	case named:
		return fmt.Errorf("cluster %q has not been found to serve %q, so that nothing of it is read yet; there is nothing to order of it", p.Cluster, clipped(p.Resource)), nil
	case p.Resource != "":
		return fmt.Errorf("cluster %q has no stream of %q", p.Cluster, clipped(p.Resource)), slices.Compact(resources)
	}
	return nil, nil
}
