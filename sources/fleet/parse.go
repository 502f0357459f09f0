package fleet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// parseKubeconfig decodes one kubeconfig and makes the paths in it absolute, as
// kubectl does: relative to the file that names them. Its errors quote nothing
// of the content.
func parseKubeconfig(path string, data []byte) (*clientcmdapi.Config, error) {
	cfg, err := loadKubeconfig(data)
	if err != nil {
		return nil, err
	}
	for _, c := range cfg.Clusters {
		c.LocationOfOrigin = path
	}
	for _, u := range cfg.AuthInfos {
		u.LocationOfOrigin = path
	}
	for _, c := range cfg.Contexts {
		c.LocationOfOrigin = path
	}
	if err := clientcmd.ResolveLocalPaths(cfg); err != nil {
		return nil, fmt.Errorf("resolve the paths in it: %w", err)
	}
	return cfg, nil
}

// loadKubeconfig decodes a kubeconfig. Its errors quote nothing of the content.
func loadKubeconfig(data []byte) (*clientcmdapi.Config, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		// To clientcmd an empty file is a kubeconfig without contexts. It is
		// more likely that somebody has just begun to write it.
		return nil, errors.New("is empty")
	}
	cfg, err := clientcmd.Load(data)
	if err != nil {
		return nil, decodeError(err)
	}
	return cfg, nil
}

var (
	yamlLine      = regexp.MustCompile(`^yaml: line (\d+):`)
	duplicateName = regexp.MustCompile(`into \*map\[string\]\*api\.(Cluster|AuthInfo|Context): duplicate name "([^"]{1,253})" in list`)
)

// decodeError says what is wrong with a kubeconfig. Decoders quote what they
// could not read, and a duplicate entry makes clientcmd print all entries, keys
// included; so only what is known to be harmless is taken from their messages.
func decodeError(err error) error {
	text := err.Error()
	if runtime.IsNotRegisteredError(err) {
		return errors.New("is not a kubeconfig: it has another apiVersion or kind than v1, Config")
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
		return fmt.Errorf("is not a kubeconfig: field %s has the wrong type", wrong.Field)
	}
	if m := duplicateName.FindStringSubmatch(text); m != nil {
		kind := map[string]string{"Cluster": "clusters", "AuthInfo": "users", "Context": "contexts"}[m[1]]
		return fmt.Errorf("is not a kubeconfig: two of its %s are called %q", kind, m[2])
	}
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		return fmt.Errorf("is not valid YAML: line %s or the one before", m[1])
	}
	if strings.HasPrefix(text, "yaml: ") {
		return errors.New("is not valid YAML")
	}
	if strings.Contains(text, "illegal base64 data") {
		return errors.New("is not a kubeconfig: the value of a field that ends in -data is not base64")
	}
	return errors.New("is not a kubeconfig (why is not shown, as it could quote a secret; kubectl config view --kubeconfig FILE tells)")
}

// mergeKubeconfigs combines the files of a KUBECONFIG list: the first file that
// has an entry or the current context wins, as in kubectl.
func mergeKubeconfigs(cfgs []*clientcmdapi.Config) *clientcmdapi.Config {
	merged := clientcmdapi.NewConfig()
	for _, cfg := range cfgs {
		addMissing(merged.Clusters, cfg.Clusters)
		addMissing(merged.AuthInfos, cfg.AuthInfos)
		addMissing(merged.Contexts, cfg.Contexts)
		if merged.CurrentContext == "" {
			merged.CurrentContext = cfg.CurrentContext
		}
	}
	return merged
}

func addMissing[V any](dst, src map[string]V) {
	for name, v := range src {
		if _, ok := dst[name]; !ok {
			dst[name] = v
		}
	}
}
