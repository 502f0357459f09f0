package nats_test

import (
	"fmt"
	"net"
	"strconv"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
	"github.com/fairlead-dev/fairlead/sinks/nats"
)

// cluster is three servers, which keep stream and bucket fairlead three times.
type cluster [3]*place

// startCluster starts three servers that find each other.
func startCluster(t *testing.T) *cluster {
	t.Helper()
	var routes, addrs [3]string
	for i := range routes {
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		addrs[i] = listener.Addr().String()
		routes[i] = "nats-route://" + addrs[i]
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
	}
	all := new(cluster)
	for i := range all {
		_, port, _ := net.SplitHostPort(addrs[i])
		number, _ := strconv.Atoi(port)
		p := &place{t: t, opts: server.Options{
			ServerName: fmt.Sprint("n", i), Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true,
			Cluster: server.ClusterOpts{Name: "three", Host: "127.0.0.1", Port: number},
			Routes:  server.RoutesFromStr(routes[0] + "," + routes[1] + "," + routes[2]),
		}}
		p.run()
		t.Cleanup(p.stop)
		p.opts.Port = p.Addr().(*net.TCPAddr).Port
		p.addr = p.Addr().String()
		all[i] = p
	}
	eventually(t, "three servers have a leader", func() bool { return all.which((*server.Server).JetStreamIsLeader) >= 0 && len(all[0].JetStreamClusterPeers()) == 3 || all.leads("") })
	return all
}

// which returns the index of the server of which something is so, or -1.
func (c *cluster) which(is func(*server.Server) bool) int {
	for i, p := range c {
		if p.Running() && is(p.Server) {
			return i
		}
	}
	return -1
}
