package fleet

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// validateUntrusted returns what a kubeconfig that comes from the hub's API may not carry,
// field by field, in whichever entry: whoever may write one Secret there would
// otherwise run commands or read files as Fairlead, or have it send credentials
// to a server that nobody has verified.
//
// Addresses are free, of servers as of proxies: Fairlead adds nothing to them
// but the credentials that stand beside them, and speaks to them through TLS
// that it verifies. What a pod may reach is for a NetworkPolicy to say.
// Impersonation is free too: it is for the member's own RBAC to allow.
func validateUntrusted(cfg *clientcmdapi.Config) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(cfg.Clusters)) {
		errs = append(errs, refuseCluster(fmt.Sprintf("clusters[%q].", name), cfg.Clusters[name])...)
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.AuthInfos)) {
		errs = append(errs, refuseUser(fmt.Sprintf("users[%q].", name), cfg.AuthInfos[name])...)
	}
	return errors.Join(errs...)
}

const (
	noFile    = "names a file of the hub's pod, which is not allowed here; put the content into %s-data"
	noCommand = "would run a command in the hub, which is not allowed here; use a token or a client certificate"
)

func refuseCluster(at string, c *clientcmdapi.Cluster) []error {
	var errs []error
	if !strings.HasPrefix(strings.ToLower(c.Server), "https://") {
		errs = append(errs, fmt.Errorf("%sserver does not begin with https://, but credentials may not be sent in the clear", at))
	}
	if c.CertificateAuthority != "" {
		errs = append(errs, fmt.Errorf("%scertificate-authority "+noFile, at, "certificate-authority"))
	}
	if c.InsecureSkipTLSVerify {
		errs = append(errs, fmt.Errorf("%sinsecure-skip-tls-verify is not allowed here; give certificate-authority-data", at))
	}
	return errs
}

func refuseUser(at string, u *clientcmdapi.AuthInfo) []error {
	var errs []error
	if u.Exec != nil {
		errs = append(errs, fmt.Errorf("%sexec "+noCommand, at))
	}
	if u.AuthProvider != nil {
		errs = append(errs, fmt.Errorf("%sauth-provider "+noCommand, at))
	}
	if u.TokenFile != "" {
		errs = append(errs, fmt.Errorf("%stokenFile names a file of the hub's pod, which is not allowed here; put the content into token", at))
	}
	if u.ClientCertificate != "" {
		errs = append(errs, fmt.Errorf("%sclient-certificate "+noFile, at, "client-certificate"))
	}
	if u.ClientKey != "" {
		errs = append(errs, fmt.Errorf("%sclient-key "+noFile, at, "client-key"))
	}
	return errs
}
