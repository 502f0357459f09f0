package fairleadtest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/child"
)

// waitForEtcd returns when etcd answers.
func (c *Cluster) waitForEtcd(ctx context.Context) error {
	client := c.etcdClient()
	defer client.CloseIdleConnections()
	return waitFor200(ctx, client, c.etcd, etcdURL+"/health")
}

// waitForAPIServer returns when an API server is ready. Readiness does not
// cover the namespaces that it makes for itself, and a client that is quick
// enough to see none of them would be surprised.
func (c *Cluster) waitForAPIServer(ctx context.Context, server *child.Process, url string) error {
	client, err := rest.HTTPClientFor(c.Config())
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	for _, path := range []string{"/readyz", "/api/v1/namespaces/default", "/api/v1/namespaces/kube-system"} {
		if err := waitFor200(ctx, client, server, url+path); err != nil {
			return err
		}
	}
	return nil
}

// waitFor200 asks again and again until url answers with 200, ctx ends, or the
// server does.
func waitFor200(ctx context.Context, client *http.Client, server *child.Process, url string) error {
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		answer := get(ctx, client, url)
		if answer == nil {
			return nil
		}
		select {
		case <-ticker.C:
		case <-server.Exited():
			return server.EndedByItself()
		case <-ctx.Done():
			return fmt.Errorf("%w while waiting for %s: %w; its log ends:\n%s", ctx.Err(), url, answer, server.LogTail())
		}
	}
}

// get returns nil if url answers with 200 within five seconds.
func get(ctx context.Context, client *http.Client, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	_, err = exchange(client, request, http.StatusOK)
	return err
}

// exchange sends a request and returns the body of the answer, of which a
// megabyte is enough, or an error if the status is not the one wanted.
func exchange(client *http.Client, request *http.Request, want int) ([]byte, error) {
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close() //nolint:errcheck // Read only.
	// To the end, so that the connection can be used again.
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	if response.StatusCode != want {
		return nil, fmt.Errorf("%s %s: %s: %s", request.Method, request.URL.Path, response.Status, body)
	}
	return body, nil
}
