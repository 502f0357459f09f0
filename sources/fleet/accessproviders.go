package fleet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// accessProvider is one way to get credentials for the clusters of
// ClusterProfiles: a command of the operator's, which a profile can choose by
// name but not change. The file that lists them is that of SIG-Multicluster's
// library (KEP-5339).
type accessProvider struct {
	Name       string                   `json:"name"`
	Exec       *clientcmdapi.ExecConfig `json:"execConfig"`
	ArgsPolicy string                   `json:"profileSourcedCLIArgsPolicy,omitempty"`
	EnvPolicy  string                   `json:"profileSourcedEnvVarsPolicy,omitempty"`
}

// What the policies say about arguments and variables that a profile brings
// along. Empty is policyIgnore.
const (
	policyIgnore  = "Ignore"
	policyAppend  = "Append"            // of arguments
	policyMissing = "AppendIfNotExists" // of variables: the operator's win
	policyReplace = "Replace"           // of variables: the profile's win
)

// The extensions of a profile's cluster that hold them.
const (
	extensionArgs = "clusterprofiles.multicluster.x-k8s.io/exec/additional-args"
	extensionEnvs = "clusterprofiles.multicluster.x-k8s.io/exec/additional-envs"
)

// parseAccessProviders reads the operator's file. A field that is not known is
// an error, because it could forbid something.
func parseAccessProviders(data []byte) ([]accessProvider, error) {
	var file struct {
		Providers []accessProvider `json:"providers"`
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&file); err != nil {
		// The operator's own file; but an environment may hold a secret.
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return nil, fmt.Errorf("field %s has the wrong type", wrong.Field)
		}
		if wrong, ok := errors.AsType[*json.SyntaxError](err); ok {
			return nil, fmt.Errorf("is not valid JSON at byte %d", wrong.Offset)
		}
		return nil, fmt.Errorf("is not a list of access providers: %w", err)
	}
	if len(file.Providers) == 0 {
		return nil, errors.New("lists no providers")
	}
	seen := map[string]bool{}
	for _, p := range file.Providers {
		switch {
		case p.Name == "":
			return nil, errors.New("a provider has no name")
		case seen[p.Name]:
			return nil, fmt.Errorf("two providers are called %q", p.Name)
		case p.Exec == nil || p.Exec.Command == "":
			return nil, fmt.Errorf("provider %q: execConfig has no command", p.Name)
		case p.Exec.APIVersion == "":
			return nil, fmt.Errorf("provider %q: execConfig has no apiVersion", p.Name)
		case !slices.Contains([]string{"", policyIgnore, policyAppend}, p.ArgsPolicy):
			return nil, fmt.Errorf("provider %q: profileSourcedCLIArgsPolicy is neither Ignore nor Append", p.Name)
		case !slices.Contains([]string{"", policyIgnore, policyMissing, policyReplace}, p.EnvPolicy):
			return nil, fmt.Errorf("provider %q: profileSourcedEnvVarsPolicy is none of Ignore, AppendIfNotExists and Replace", p.Name)
		}
		seen[p.Name] = true
	}
	return file.Providers, nil
}

// command returns what to run for a cluster with these extensions.
func (p *accessProvider) command(extensions map[string]json.RawMessage) (*clientcmdapi.ExecConfig, error) {
	exec := p.Exec.DeepCopy()
	exec.InteractiveMode = clientcmdapi.NeverExecInteractiveMode
	if data := extensions[extensionArgs]; p.ArgsPolicy == policyAppend && data != nil {
		var args []string
		if err := json.Unmarshal(data, &args); err != nil {
			return nil, fmt.Errorf("extension %s is not a list of strings", extensionArgs)
		}
		exec.Args = append(exec.Args, args...)
	}
	data := extensions[extensionEnvs]
	if data == nil || p.EnvPolicy == "" || p.EnvPolicy == policyIgnore {
		return exec, nil
	}
	var variables map[string]string
	if err := json.Unmarshal(data, &variables); err != nil {
		return nil, fmt.Errorf("extension %s is not an object of strings", extensionEnvs)
	}
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		i := slices.IndexFunc(exec.Env, func(e clientcmdapi.ExecEnvVar) bool { return e.Name == name })
		switch {
		case i < 0:
			exec.Env = append(exec.Env, clientcmdapi.ExecEnvVar{Name: name, Value: variables[name]})
		case p.EnvPolicy == policyReplace:
			exec.Env[i].Value = variables[name]
		}
	}
	return exec, nil
}
