package fleet_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/go-logr/logr"

	"github.com/fairlead-dev/fairlead/sources/fleet"
)

// printer is a handler that waits for one member and then ends the program.
type printer struct{ stop context.CancelFunc }

func (p printer) Set(m fleet.Member) {
	fmt.Println("joins:", m.Name, "at", m.REST.Host)
	p.stop()
}

func (p printer) Remove(name string) { fmt.Println("leaves:", name) }

func Example() {
	dir, err := os.MkdirTemp("", "fleet")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	const kubeconfig = `
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://paris.example:6443"}}]
contexts: [{name: admin, context: {cluster: c}}]
`
	if err := os.WriteFile(filepath.Join(dir, "paris.yaml"), []byte(kubeconfig), 0o600); err != nil {
		panic(err)
	}

	providers, err := fleet.Parse([]string{"dir:" + dir})
	if err != nil {
		panic(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	f := fleet.New(fleet.Options{Providers: providers, Handler: printer{stop}, Log: logr.Discard()})
	if err := f.Check(); err != nil {
		panic(err)
	}
	if err := f.Run(ctx); err != nil {
		panic(err)
	}
	// Output: joins: paris at https://paris.example:6443
}
