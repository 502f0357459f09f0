package fairleadtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
)

// etcdURL is a name for the other end of the unix socket.
const etcdURL = "http://etcd"

// etcdClient speaks HTTP to the cluster's etcd: its gRPC gateway takes every
// request as JSON. Close its idle connections when done.
func (c *Cluster) etcdClient() *http.Client {
	socket := filepath.Join(c.dir, etcdSocket)
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
}

// Compact removes every past state from etcd and leaves the present one. A watch or list
// that begins at an older resourceVersion is then answered with 410 Gone, unless the API
// server still has that version in its watch cache. Start it with --watch-cache=false to
// have none, or use ExpireWatches. Open watches go on.
func (c *Cluster) Compact(ctx context.Context) error {
	client := c.etcdClient()
	defer client.CloseIdleConnections()

	// A watch from the revision before the one compacted to still works. So that it
	// is none that a client may know, write twice where the API server does not look.
	var written struct {
		Header struct {
			Revision string `json:"revision"`
		} `json:"header"`
	}
	for range 2 {
		put := map[string]any{"key": []byte("fairlead/compaction")}
		if err := callEtcd(ctx, client, "/v3/kv/put", put, &written); err != nil {
			return fmt.Errorf("compact etcd of cluster %s: %w", c.name, err)
		}
	}
	compact := map[string]any{"revision": written.Header.Revision, "physical": true}
	if err := callEtcd(ctx, client, "/v3/kv/compaction", compact, nil); err != nil {
		return fmt.Errorf("compact etcd of cluster %s: %w", c.name, err)
	}
	return nil
}

// ExpireWatches is Compact, and then a restart of the API server with an empty watch
// cache. Open watches end, and none can go on where it was: the answer is 410 Gone.
func (c *Cluster) ExpireWatches(ctx context.Context) error {
	if err := c.Compact(ctx); err != nil {
		return err
	}
	if err := end(c.apiServer, stopGrace); err != nil {
		return fmt.Errorf("restart the API server of cluster %s: %w", c.name, err)
	}
	return c.Start(ctx)
}

// callEtcd posts one request to the gateway and decodes the answer into answer,
// if that is not nil.
func callEtcd(ctx context.Context, client *http.Client, path string, request, answer any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, etcdURL+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	text, err := exchange(client, post, http.StatusOK)
	if err != nil || answer == nil {
		return err
	}
	return json.Unmarshal(text, answer)
}
