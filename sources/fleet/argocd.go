package fleet

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"

	corev1 "k8s.io/api/core/v1"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// argoConfig is what Argo CD keeps under the key "config" of a cluster's Secret,
// as of its version 3. What is not named here, such as namespaces, says nothing
// about the connection.
type argoConfig struct {
	Username    string `json:"username"`
	Password    string `json:"password"`
	BearerToken string `json:"bearerToken"`
	TLS         struct {
		Insecure   bool   `json:"insecure"`
		ServerName string `json:"serverName"`
		CAData     []byte `json:"caData"`
		CertData   []byte `json:"certData"`
		KeyData    []byte `json:"keyData"`
	} `json:"tlsClientConfig"`
	ProxyURL           string          `json:"proxyUrl"`
	DisableCompression bool            `json:"disableCompression"`
	Exec               json.RawMessage `json:"execProviderConfig"`
	AWS                json.RawMessage `json:"awsAuthConfig"`
}

// argoName returns the name that Argo CD shows, which is free text there.
func argoName(s *corev1.Secret) string { return strings.TrimSpace(string(s.Data["name"])) }

// readArgo turns a cluster's Secret of Argo CD into a kubeconfig.
func readArgo(s *corev1.Secret) (*clientcmdapi.Config, string, error) {
	server := strings.TrimSpace(string(s.Data["server"]))
	if server == "" {
		return nil, "", errors.New(`has no key "server"`)
	}
	var a argoConfig
	if data := s.Data["config"]; len(data) > 0 {
		if err := json.Unmarshal(data, &a); err != nil {
			if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
				return nil, "", errors.New(`key "config": field ` + wrong.Field + " has the wrong type")
			}
			// The decoder's message would quote.
			return nil, "", errors.New(`key "config" is not JSON as Argo CD writes it`)
		}
	}
	if err := a.validateUntrusted(server); err != nil {
		return nil, "", err
	}

	const only = "argocd"
	cluster := clientcmdapi.NewCluster()
	cluster.Server = server
	cluster.TLSServerName = a.TLS.ServerName
	cluster.CertificateAuthorityData = a.TLS.CAData
	cluster.ProxyURL = a.ProxyURL
	cluster.DisableCompression = a.DisableCompression
	user := clientcmdapi.NewAuthInfo()
	user.Token = a.BearerToken
	user.Username, user.Password = a.Username, a.Password
	user.ClientCertificateData, user.ClientKeyData = a.TLS.CertData, a.TLS.KeyData
	cfg := clientcmdapi.NewConfig()
	cfg.Clusters[only], cfg.AuthInfos[only] = cluster, user
	cfg.Contexts[only] = &clientcmdapi.Context{Cluster: only, AuthInfo: only}
	cfg.CurrentContext = only
	return cfg, only, nil
}

// validateUntrusted is what the function of that name is to kubeconfigs, in Argo CD's
// words.
func (a *argoConfig) validateUntrusted(server string) error {
	var errs []error
	for _, field := range []struct {
		name string
		text json.RawMessage
	}{{"execProviderConfig", a.Exec}, {"awsAuthConfig", a.AWS}} {
		if len(field.text) > 0 && string(field.text) != "null" {
			errs = append(errs, errors.New("config."+field.name+" "+noCommand))
		}
	}
	if a.TLS.Insecure {
		errs = append(errs, errors.New("config.tlsClientConfig.insecure is not allowed here; give caData"))
	}
	// Argo CD takes its own service account for the cluster that it runs in.
	// Fairlead's is not for whoever writes a Secret to use.
	u, err := url.Parse(server)
	anonymous := a.BearerToken == "" && a.Username == "" && len(a.TLS.CertData) == 0
	if err == nil && anonymous && (u.Hostname() == "kubernetes.default" || strings.HasPrefix(u.Hostname(), "kubernetes.default.svc")) {
		errs = append(errs, errors.New("server is the hub itself, without credentials; use --include-hub=NAME"))
	}
	return errors.Join(errs...)
}
