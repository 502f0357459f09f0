package fairleadtest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

const (
	// ballast begins the keys that fill etcd, and ballastEnd is the first key behind them.
	ballast, ballastEnd = "fairlead/ballast/", "fairlead/ballast0"
	// ballastBytes is the size of each value, and ballastMost how many there are at most: 1 GiB.
	ballastBytes, ballastMost = 1 << 20, 1 << 10
	// noSpace is what etcd says when it has as many bytes as it may have.
	noSpace = "database space exceeded"
)

// FillEtcd writes to etcd until it takes no more. From then on the API server answers each write
// with 500 and what etcd says: "etcdserver: mvcc: database space exceeded". Reads, watches and
// deletions go on. Start the cluster with a small quota, by [Spec.EtcdFlags] with
// --quota-backend-bytes=16777216 for one: that of etcd is 2 GiB, and more than 1 GiB is not
// written. MakeRoom ends it.
func (c *Cluster) FillEtcd(ctx context.Context) error {
	client := c.etcdClient()
	defer client.CloseIdleConnections()
	for i := range ballastMost {
		put := map[string]any{"key": fmt.Append(nil, ballast, i), "value": make([]byte, ballastBytes)}
		err := callEtcd(ctx, client, "/v3/kv/put", put, nil)
		if err != nil && strings.Contains(err.Error(), noSpace) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("fill etcd of cluster %s: %w", c.name, err)
		}
	}
	return fmt.Errorf("fill etcd of cluster %s: it has taken 1 GiB; start it with a smaller --quota-backend-bytes", c.name)
}

// MakeRoom removes what FillEtcd has written, and does what an operator does of an etcd that is
// full: compact it, as Compact does, defragment it, and disarm its alarm.
func (c *Cluster) MakeRoom(ctx context.Context) error {
	client := c.etcdClient()
	defer client.CloseIdleConnections()
	if err := makeRoom(ctx, client); err != nil {
		return fmt.Errorf("make room in etcd of cluster %s: %w", c.name, err)
	}
	return nil
}

func makeRoom(ctx context.Context, client *http.Client) error {
	var deleted struct {
		Header struct {
			Revision string `json:"revision"`
		} `json:"header"`
	}
	var raised struct {
		Alarms []map[string]any `json:"alarms"`
	}
	err := callEtcd(ctx, client, "/v3/kv/deleterange", map[string]any{"key": []byte(ballast), "range_end": []byte(ballastEnd)}, &deleted)
	if err != nil {
		return err
	}
	for _, step := range []struct {
		path    string
		request map[string]any
		answer  any
	}{
		{"/v3/kv/compaction", map[string]any{"revision": deleted.Header.Revision, "physical": true}, nil},
		{"/v3/maintenance/defragment", map[string]any{}, nil},
		{"/v3/maintenance/alarm", map[string]any{"action": "GET"}, &raised},
	} {
		if err := callEtcd(ctx, client, step.path, step.request, step.answer); err != nil {
			return err
		}
	}
	var errs []error
	for _, alarm := range raised.Alarms {
		alarm["action"] = "DEACTIVATE"
		errs = append(errs, callEtcd(ctx, client, "/v3/maintenance/alarm", alarm, nil))
	}
	return errors.Join(errs...)
}
