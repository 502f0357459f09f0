package consul

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/fairlead-dev/fairlead/internal/credentials"
	"github.com/fairlead-dev/fairlead/locks"
)

// Kind returns consul:http://HOST:PORT/KEY, a key of Consul.
func Kind() locks.Kind {
	params := []locks.Param{
		{Name: "token-file", Type: locks.File, Meaning: "file that holds the token for Consul's ACLs; read again for each request"},
		{Name: "dc", Type: locks.Name, Meaning: "datacenter of the key; the agent's if not given"},
		{Name: "namespace", Type: locks.Name, Meaning: "namespace of the key, in Consul Enterprise"},
		{Name: "partition", Type: locks.Name, Meaning: "admin partition of the key, in Consul Enterprise"},
	}
	return locks.Kind{
		Form: locks.Form{
			Scheme: "consul", Usage: "consul:http://HOST:PORT/KEY",
			Summary:     "a key of Consul, made if it is not there; several agents as HOST:PORT,HOST:PORT, with TLS as https://",
			Rest:        locks.HTTP,
			Credentials: "token-file",
			Params:      append(params, credentials.Params()...),
		},
		Parse: parse,
	}
}

func parse(v *locks.Value) (locks.Spec, error) {
	var errs []error
	key := strings.TrimPrefix(v.Path, "/")
	if key == "" {
		errs = append(errs, errors.New("no key follows the hosts; write consul:http://HOST:PORT/KEY"))
	} else if err := checkKey(key); err != nil {
		errs = append(errs, err)
	}
	o := Options{
		Key: key, TokenFile: v.Str("token-file"),
		Datacenter: v.Str("dc"), Namespace: v.Str("namespace"), Partition: v.Str("partition"),
	}
	scheme, files, err := credentials.HTTPOf(v)
	if err := errors.Join(append(errs, err)...); err != nil {
		return locks.Spec{}, err
	}
	o.CAFile, o.CertFile, o.KeyFile, o.ServerName = files.CA, files.Cert, files.Key, files.ServerName
	for _, host := range v.Hosts {
		o.Endpoints = append(o.Endpoints, scheme+host)
	}
	return locks.Spec{
		Identity: with("consul:"+scheme+strings.Join(v.Hosts, ",")+v.Path, "?", o.query()),
		Open: func(_ context.Context, env locks.Env) (resourcelock.Interface, error) {
			own := o
			own.Identity, own.Timeout, own.UserAgent = env.Identity, env.Timeout, env.UserAgent
			lock, err := New(own)
			if err != nil {
				return nil, fmt.Errorf("open %s: %w", key, err)
			}
			return lock, nil
		},
	}, nil
}
