package app

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/sources"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// serveRetryNow has a cluster be tried again now, as far as it waits for its next try. However often
// it is asked for, tries keep their distance, see sources.RetryNow.
func (a *admin) serveRetryNow(r *http.Request) (int, any) {
	q, err := parameters(r, "cluster", "by")
	if err != nil {
		return http.StatusBadRequest, api.Error{Error: err.Error()}
	}
	cluster, by := q.Get("cluster"), q.Get("by")
	if cluster == "" {
		err = errors.New("which cluster? Give ?cluster=NAME")
	}
	if err = errors.Join(err, checkOrderText("by", by, mostOrderText)); err != nil {
		return http.StatusBadRequest, api.Error{Error: err.Error()}
	}
	retrying, err := a.retry(cluster)
	if errors.Is(err, sources.ErrUnknownCluster) {
		clusters, _ := a.followed(cluster)
		return http.StatusNotFound, api.Error{Error: fmt.Sprintf("there is no cluster %q", clipped(cluster)), Known: clusters}
	}
	if err != nil {
		return http.StatusConflict, api.Error{Error: err.Error()}
	}
	c := &retrying.Connection
	said := api.Retrying{Cluster: cluster, State: c.State, Reason: c.Reason, Connects: retrying.Connects, Streams: retrying.Streams}
	if c.State != member.Live && c.Attempt > 0 {
		said.LastError = c.LastError
	}
	if said.Connects || len(said.Streams) > 0 {
		a.log.Info("Trying a cluster again before its time, as it was asked for", "cluster", cluster, "connects", said.Connects, "streams", len(said.Streams), "by", by)
	}
	return http.StatusOK, said
}
