package connection_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/sources/connection"
)

// A user of a connection takes its session, calls, and tells how that went.
func Example() {
	// Stands for a member's API server.
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"gitVersion": "v1.36.3", "metadata": {"name": "kube-system", "uid": "7d1e"}}`)
	}))
	defer server.Close()

	c, err := connection.New(connection.Options{Cluster: "paris", REST: &rest.Config{Host: server.URL}})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()

	session, err := c.Acquire(ctx) // blocks until the member answers
	if err != nil {
		fmt.Println(err)
		return
	}
	err = session.Calls.Get().AbsPath("/api/v1/configmaps").Do(ctx).Error()
	c.Report(session, err)
	fmt.Println(session.Cluster, session.UID, c.Status().State, c.Status().ServerVersion)

	cancel()
	fmt.Println(<-ended, c.Status().State)
	// Output:
	// paris 7d1e live v1.36.3
	// <nil> gone
}
