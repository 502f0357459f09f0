package fairleadtest

import (
	"path/filepath"
	"strconv"

	"github.com/fairlead-dev/fairlead/internal/loopback"
)

// The files of a cluster's directory. Unix sockets have short names because the
// kernel allows a path of little more than a hundred bytes.
const (
	caFile          = "ca.crt"
	servingCertFile = "serving.crt"
	servingKeyFile  = "serving.key"
	serviceKeyFile  = "service-accounts.key"
	etcdSocket      = "e"
	peerSocket      = "p"
)

// etcdFlags keeps etcd off the network and off the disk's slow path.
func (c *Cluster) etcdFlags() []string {
	flags := []string{
		"--name=" + c.name,
		"--data-dir=" + filepath.Join(c.dir, etcdData),
		"--listen-client-urls=unix://" + filepath.Join(c.dir, etcdSocket),
		"--listen-peer-urls=unix://" + filepath.Join(c.dir, peerSocket),
		// Told to others, of whom there are none; must be host and port.
		"--advertise-client-urls=http://127.0.0.1:2379",
		"--initial-advertise-peer-urls=http://127.0.0.1:2380",
		"--initial-cluster=" + c.name + "=http://127.0.0.1:2380",
		// The data has to survive a kill, not a power cut.
		"--unsafe-no-fsync",
		"--log-level=warn",
	}
	return append(flags, c.spec.EtcdFlags...)
}

// apiServerFlags switches off what a server without nodes and controllers only
// spends start-up time and memory on. The caller's flags come last and win.
func (c *Cluster) apiServerFlags(port *loopback.Port) []string {
	file := func(name string) string { return filepath.Join(c.dir, name) }
	flags := []string{
		"--bind-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(port.Number),
		"--advertise-address=127.0.0.1",
		"--cert-dir=" + c.dir,
		"--tls-cert-file=" + file(servingCertFile),
		"--tls-private-key-file=" + file(servingKeyFile),
		"--client-ca-file=" + file(caFile),
		"--service-account-issuer=" + c.issuer,
		"--service-account-key-file=" + file(serviceKeyFile),
		"--service-account-signing-key-file=" + file(serviceKeyFile),
		"--etcd-servers=unix://" + file(etcdSocket),
		"--service-cluster-ip-range=10.0.0.0/24",
		"--authorization-mode=RBAC",
		// Its service account is made by a controller that is not there.
		"--disable-admission-plugins=ServiceAccount",
		"--endpoint-reconciler-type=none",
		"--enable-priority-and-fairness=false",
		"--profiling=false",
	}
	return append(flags, c.spec.APIServerFlags...)
}
