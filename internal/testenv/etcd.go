package testenv

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

// Compact drops every past state from etcd; only the present one is left. A list
// or watch from an older resourceVersion is then answered with 410 Gone, unless
// the API server still has it in its watch cache: give it --watch-cache=false, or
// Restart it afterwards.
func (c *Cluster) Compact(ctx context.Context) error {
	client := c.etcdClient()
	defer client.CloseIdleConnections()

	// Any key will do: the answer's header tells the revision.
	var now struct {
		Header struct {
			Revision string `json:"revision"`
		} `json:"header"`
	}
	if err := callEtcd(ctx, client, "/v3/kv/range", map[string]any{"key": "AA=="}, &now); err != nil {
		return fmt.Errorf("compact etcd of cluster %s: %w", c.name, err)
	}
	request := map[string]any{"revision": now.Header.Revision, "physical": true}
	if err := callEtcd(ctx, client, "/v3/kv/compaction", request, nil); err != nil {
		return fmt.Errorf("compact etcd of cluster %s: %w", c.name, err)
	}
	return nil
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
