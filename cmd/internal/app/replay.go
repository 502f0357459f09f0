package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/sources"
)

// replayRequest says what is to be delivered again of a cluster.
type replayRequest struct {
	cluster, resource string
	sources.ReplaySelector
	dry bool // only count it
}

// selects reports whether it is not simply everything.
func (q replayRequest) selects() bool { return q.dry || q.ReplaySelector != sources.ReplaySelector{} }

// counts reports whether the objects that it selects are known when it begins: a snapshot for
// one route brings also what that has never had.
func (q replayRequest) counts() bool {
	return q.dry || q.ReplaySelector != sources.ReplaySelector{Route: q.Route}
}

// of has the sources do it.
func (q replayRequest) of(ctx context.Context, s *sources.Sources) (sources.Replaying, error) {
	if q.selects() {
		return s.ReplaySome(ctx, q.cluster, q.resource, q.ReplaySelector, q.dry)
	}
	return s.Replay(ctx, q.cluster, q.resource)
}

// mostSelector bounds a label selector, in bytes.
const mostSelector = 1024

// replayRequestOf returns what a request asks for.
func replayRequestOf(r *http.Request) (q replayRequest, err error) {
	values, err := parameters(r, "cluster", "resource", "namespace", "name", "labels", "route", "dryRun")
	if err != nil {
		return q, err
	}
	if values.Get("cluster") == "" {
		return q, errors.New("which cluster? Give ?cluster=NAME")
	}
	q.cluster, q.resource = values.Get("cluster"), values.Get("resource")
	for _, of := range []struct {
		name string
		into *string
		most int
	}{
		{"namespace", &q.Namespace, 2 * mostOrderText}, {"name", &q.Name, 2 * mostOrderText},
		{"labels", &q.Labels, mostSelector}, {"route", &q.Route, 2 * mostOrderText},
	} {
		*of.into = values.Get(of.name)
		err = errors.Join(err, checkOrderText(of.name, *of.into, of.most))
	}
	err = errors.Join(err, checkSegment("namespace", q.Namespace), checkSegment("name", q.Name))
	switch dry := values.Get("dryRun"); dry {
	case "", "false":
	case "true":
		q.dry = true
	default:
		err = errors.Join(err, fmt.Errorf("dryRun=%q: give true or false", clipped(dry)))
	}
	return q, err
}

// replayStored is how long a replay is waited for to be stored, before it is confirmed.
const replayStored = 10 * time.Second

// replayListed is how long the cluster may be asked for what has labels, before that; it is
// what sources.Sources gives it.
const replayListed = time.Minute

// followed returns the clusters that there are, and what is followed of one of them. Who replays
// thousands of clusters asks once for each: only the answer to what there is not looks at all.
func (a *admin) followed(cluster string) (clusters, resources []string) {
	for _, m := range a.members() {
		clusters = append(clusters, m.Connection.Cluster)
		for _, st := range m.Streams {
			if m.Connection.Cluster == cluster {
				resources = append(resources, cmp.Or(st.Resource, st.Stream))
			}
		}
	}
	return clusters, resources
}

// unbegun is the error of what has not begun, although its status code does not say so.
type unbegun api.Error

func (a *admin) serveReplay(r *http.Request) (int, any) {
	q, err := replayRequestOf(r)
	if err != nil {
		return http.StatusBadRequest, api.Error{Error: err.Error()}
	}
	cluster, resource := q.cluster, q.resource
	if q.Route != "" && !slices.Contains(a.routes, q.Route) {
		return http.StatusNotFound, api.Error{Error: fmt.Sprintf("there is no route %q", clipped(q.Route)), Known: a.routes}
	}
	within := replayStored
	if q.Labels != "" {
		within += replayListed
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), within, errors.New("the ledger has not been written in time"))
	defer cancel()
	replaying, err := a.replay(ctx, q)
	if errors.Is(err, errChanging) {
		return http.StatusServiceUnavailable, api.Error{Error: "it may not be complete, as " + err.Error() + "; ask again"}
	}
	if errors.Is(err, sources.ErrNotSurveyed) {
		return http.StatusServiceUnavailable, unbegun{Error: err.Error()}
	}
	if errors.Is(err, sources.ErrNotStored) {
		return http.StatusServiceUnavailable, api.Error{Error: err.Error()}
	}
	if errors.Is(err, sources.ErrSelector) || errors.Is(err, sources.ErrUnknownRoute) {
		return http.StatusBadRequest, api.Error{Error: err.Error()}
	}
	if errors.Is(err, sources.ErrUnknownCluster) {
		clusters, _ := a.followed(cluster)
		return http.StatusNotFound, api.Error{Error: fmt.Sprintf("there is no cluster %q", clipped(cluster)), Known: clusters}
	}
	if errors.Is(err, sources.ErrUnknownResource) {
		_, resources := a.followed(cluster)
		return http.StatusNotFound, api.Error{Error: fmt.Sprintf("cluster %q has no resource %q that is followed", cluster, resource), Known: resources}
	}
	if err != nil {
		return http.StatusConflict, api.Error{Error: err.Error()}
	}
	if !q.dry {
		a.log.Info("Replaying a cluster, as it was asked for", "cluster", cluster, "resource", resource, "namespace", q.Namespace,
			"name", q.Name, "labels", q.Labels, "route", q.Route, "streams", replaying.Streams, "waiting", len(replaying.Waiting), "failed", len(replaying.Failed))
	}
	s := api.Replay{Cluster: cluster, Resource: resource, Streams: replaying.Streams, DryRun: q.dry}
	if q.counts() {
		s.Objects = &replaying.Objects
	}
	for _, w := range replaying.Waiting {
		s.Waiting = append(s.Waiting, api.Waiting(w))
	}
	for _, f := range replaying.Failed {
		s.Failed = append(s.Failed, api.Waiting(f))
	}
	if s.Streams == 0 {
		return http.StatusAccepted, s
	}
	return http.StatusOK, s
}
