package ctl

import (
	"fmt"
	"time"

	"github.com/spf13/pflag"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // what a kubeconfig's auth-provider names, as in kubectl
	"k8s.io/client-go/tools/clientcmd"
)

// connectionFlags are those flags of kubectl that say how the hub's API server is reached, and
// as whom. They have no place for credentials, which others see in a list of processes.
// Its --cluster is missing: commands have one for members of the fleet.
type connectionFlags struct {
	overrides clientcmd.ConfigOverrides
	timeout   string // of one request, as kubectl writes it
}

// addTo adds the flags by the names that name makes of theirs.
func (c *connectionFlags) addTo(f *pflag.FlagSet, name func(string) string) {
	o := &c.overrides
	f.StringVar(&o.Context.AuthInfo, name(clientcmd.FlagAuthInfoName), "", "ask as this user of the kubeconfig (default: the context's)")
	f.StringVar(&o.AuthInfo.Impersonate, name(clientcmd.FlagImpersonate), "", "ask the hub's API server in the name of this user")
	f.StringArrayVar(&o.AuthInfo.ImpersonateGroups, name(clientcmd.FlagImpersonateGroup), nil, "ask it in the name of a user of this group; repeatable")
	f.StringVar(&o.AuthInfo.ImpersonateUID, name(clientcmd.FlagImpersonateUID), "", "ask it in the name of a user of this UID")
	f.StringVar(&o.ClusterInfo.Server, name(clientcmd.FlagAPIServer), "", "address of the hub's API server (default: the kubeconfig's)")
	f.StringVar(&o.ClusterInfo.CertificateAuthority, name(clientcmd.FlagCAFile), "", "file with the CA of the hub's API server (default: the kubeconfig's)")
	f.StringVar(&o.ClusterInfo.TLSServerName, name(clientcmd.FlagTLSServerName), "", "name in the certificate of the hub's API server (default: the kubeconfig's)")
	f.StringVar(&c.timeout, name(clientcmd.FlagTimeout), "0", "how long the hub's API server may take for an answer, such as 30s (default 8s)")
}

// within returns --request-timeout; zero: it is not given.
func (c *connectionFlags) within() (time.Duration, error) {
	if c.timeout == "" {
		return 0, nil
	}
	d, err := clientcmd.ParseTimeout(c.timeout)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("--%s %q is no duration; give it as 30s", clientcmd.FlagTimeout, Printable(c.timeout))
	}
	return d, nil
}
