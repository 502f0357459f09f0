package fairleadtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/testca"
)

// credentials are a cluster's CA and what it has signed for the administrator.
type credentials struct {
	ca    *testca.CA
	admin testca.KeyPair
}

// newCredentials makes credentials and puts what the API server reads at its start
// into files.
func (c *Cluster) newCredentials() error {
	ca, err := testca.New(c.name)
	if err != nil {
		return err
	}
	admin, err := ca.Client("admin", []string{"system:masters"})
	if err != nil {
		return err
	}
	serving, err := ca.Server()
	if err != nil {
		return err
	}
	serviceAccounts, err := testca.NewKey()
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{
		caFile:          ca.PEM(),
		servingCertFile: serving.Cert,
		servingKeyFile:  serving.Key,
		serviceKeyFile:  serviceAccounts,
	} {
		if err := os.WriteFile(filepath.Join(c.dir, name), content, 0o600); err != nil {
			return fmt.Errorf("write the credentials of cluster %s: %w", c.name, err)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.credentials = credentials{ca, admin}
	return nil
}

func (c *Cluster) currentCredentials() credentials {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.credentials
}

// Config returns a new client configuration: an administrator's, without limits
// on the client's side.
func (c *Cluster) Config() *rest.Config {
	now := c.currentCredentials()
	return c.config(now.ca, now.admin)
}

// User returns a new client configuration for a user who is in these groups and, as
// every user, in system:authenticated. The user may do what RBAC objects in the cluster
// allow: at first nothing but discovery.
func (c *Cluster) User(name string, groups ...string) (*rest.Config, error) {
	ca := c.currentCredentials().ca
	user, err := ca.Client(name, groups)
	if err != nil {
		return nil, err
	}
	return c.config(ca, user), nil
}

func (c *Cluster) config(ca *testca.CA, client testca.KeyPair) *rest.Config {
	return &rest.Config{
		Host: c.URL(),
		TLSClientConfig: rest.TLSClientConfig{
			CAData:   ca.PEM(),
			CertData: client.Cert,
			KeyData:  client.Key,
		},
		QPS: -1,
	}
}

// RotateCA gives the cluster a new CA and restarts it. Every client configuration from
// before is then useless: its client does not trust the server, and the server does not
// trust its client. Tokens of service accounts end too. Config, User and Kubeconfig have
// the new credentials.
func (c *Cluster) RotateCA(ctx context.Context) error {
	if err := c.Stop(); err != nil {
		return err
	}
	if err := c.newCredentials(); err != nil {
		return err
	}
	return c.Start(ctx)
}
