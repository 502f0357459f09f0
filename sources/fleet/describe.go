package fleet

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// execExtension is the one extension of a cluster's entry that reaches its
// credential plugin.
const execExtension = "client.authentication.k8s.io/exec"

// references returns the files that cfg names, in a fixed order.
func references(cfg *clientcmdapi.Config) []string {
	var paths []string
	for _, name := range slices.Sorted(maps.Keys(cfg.Clusters)) {
		paths = append(paths, cfg.Clusters[name].CertificateAuthority)
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.AuthInfos)) {
		user := cfg.AuthInfos[name]
		paths = append(paths, user.ClientCertificate, user.ClientKey, user.TokenFile)
	}
	return slices.DeleteFunc(paths, func(path string) bool { return path == "" })
}

// tokenError says why a token file is of no use.
func tokenError(c content) error {
	if c.err == nil && len(bytes.TrimSpace(c.data)) == 0 {
		return errors.New("is empty")
	}
	return c.err
}

// describe turns the context that f names into a member. files holds what the
// references of cfg contain.
func describe(cfg *clientcmdapi.Config, files map[string]content, f Description) (*Member, error) {
	if err := checkName(f.Name); err != nil {
		return nil, err
	}
	context := cfg.Contexts[f.Context]
	cluster, ok := cfg.Clusters[context.Cluster]
	if !ok {
		return nil, fmt.Errorf("names cluster %q, which clusters does not list", context.Cluster)
	}
	user := clientcmdapi.NewAuthInfo() // anonymous
	if context.AuthInfo != "" {
		if user, ok = cfg.AuthInfos[context.AuthInfo]; !ok {
			return nil, fmt.Errorf("names user %q, which users does not list", context.AuthInfo)
		}
	}
	cluster, user = cluster.DeepCopy(), user.DeepCopy()
	if err := inline(cluster, user, files); err != nil {
		return nil, err
	}
	if err := checkAddresses(cluster); err != nil {
		return nil, err
	}
	if user.AuthProvider != nil {
		// Those of client-go know no context, and write new tokens into a kubeconfig.
		return nil, errors.New("auth-provider is for programs that people use; name a command instead (exec), such as kubectl oidc-login, a token or a client certificate")
	}
	if user.Exec != nil {
		// Plugins of several clusters would fight over one terminal, and in a
		// container there is none.
		user.Exec.StdinUnavailable = true
		user.Exec.StdinUnavailableMessage = "Fairlead runs unattended"
	}

	rc, err := restConfig(context, cluster, user)
	if err != nil {
		return nil, err
	}
	mark, err := fingerprint(cluster, user)
	if err != nil {
		return nil, err
	}
	return &Member{Name: f.Name, REST: rc, Source: at(f.Source, f.Context), Fingerprint: mark}, nil
}

// inline replaces the certificate and key files that cluster and user name by
// their content.
func inline(cluster *clientcmdapi.Cluster, user *clientcmdapi.AuthInfo, files map[string]content) error {
	var errs []error
	for _, field := range []struct {
		name string
		path *string
		data *[]byte
	}{
		{"certificate-authority", &cluster.CertificateAuthority, &cluster.CertificateAuthorityData},
		{"client-certificate", &user.ClientCertificate, &user.ClientCertificateData},
		{"client-key", &user.ClientKey, &user.ClientKeyData},
	} {
		if *field.path == "" {
			continue
		}
		c := files[*field.path]
		switch {
		case len(*field.data) > 0:
			errs = append(errs, fmt.Errorf("%s and %s-data are both set; remove one", field.name, field.name))
		case c.err != nil:
			errs = append(errs, fmt.Errorf("%s %s: %w", field.name, *field.path, c.err))
		case len(c.data) == 0:
			errs = append(errs, fmt.Errorf("%s %s: is empty", field.name, *field.path))
		}
		*field.path, *field.data = "", c.data
	}
	if user.TokenFile != "" {
		if err := tokenError(files[user.TokenFile]); err != nil {
			errs = append(errs, fmt.Errorf("tokenFile %s: %w", user.TokenFile, err))
		}
	}
	return errors.Join(errs...)
}

// checkAddresses finds what is wrong with the URLs. client-go would find it
// too, but quotes them, and with them the password that a URL may carry.
func checkAddresses(cluster *clientcmdapi.Cluster) error {
	if cluster.Server == "" {
		return errors.New("server is not set")
	}
	server, _, err := rest.DefaultServerUrlFor(&rest.Config{Host: cluster.Server})
	switch {
	case err != nil || server.Host == "" || server.Scheme != "https" && server.Scheme != "http":
		return errors.New("server is not a URL like https://HOST:PORT")
	case server.User != nil:
		return errors.New("server contains a user name; credentials belong to users, not into the URL")
	}
	if cluster.ProxyURL != "" {
		proxy, err := url.Parse(cluster.ProxyURL)
		if err != nil || proxy.Host == "" || !slices.Contains([]string{"http", "https", "socks5"}, proxy.Scheme) {
			return errors.New("proxy-url is not a URL like http://HOST:PORT; known schemes are http, https and socks5")
		}
	}
	return nil
}

// restConfig lets client-go combine cluster and user, and makes sure that
// certificate and key belong together, so that a pair of which only one half
// has been replaced yet reaches nobody.
func restConfig(context *clientcmdapi.Context, cluster *clientcmdapi.Cluster, user *clientcmdapi.AuthInfo) (*rest.Config, error) {
	cfg := clientcmdapi.NewConfig()
	cfg.Clusters[context.Cluster], cfg.AuthInfos[context.AuthInfo] = cluster, user
	cfg.Contexts["only"] = context
	tokenFile := user.TokenFile
	user.TokenFile = "" // or the token itself would be copied
	rc, err := clientcmd.NewNonInteractiveClientConfig(*cfg, "only", &clientcmd.ConfigOverrides{}, nil).ClientConfig()
	user.TokenFile = tokenFile
	if err != nil {
		return nil, fmt.Errorf("cannot be used: %w", err)
	}
	if rest.IsConfigTransportTLS(*rc) {
		rc.BearerTokenFile = tokenFile
	}
	if _, err := rest.TLSConfigFor(&rest.Config{TLSClientConfig: rc.TLSClientConfig}); err != nil {
		return nil, fmt.Errorf("certificates cannot be used: %w", err)
	}
	return rc, nil
}

// fingerprint hashes all of cluster and user that reaches the connection.
func fingerprint(cluster *clientcmdapi.Cluster, user *clientcmdapi.AuthInfo) (string, error) {
	extension := cluster.Extensions[execExtension]
	cluster.Extensions, user.Extensions = nil, nil
	if extension != nil {
		cluster.Extensions = map[string]runtime.Object{execExtension: extension}
	}
	data, err := json.Marshal(struct {
		Cluster *clientcmdapi.Cluster
		User    *clientcmdapi.AuthInfo
	}{cluster, user})
	if err != nil {
		return "", errors.New("cannot be compared: an extension is not JSON")
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}
