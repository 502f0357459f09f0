package etcd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/fairlead-dev/fairlead/internal/credentials"
	"github.com/fairlead-dev/fairlead/locks"
)

// Kind returns etcd:http://HOST:PORT,HOST:PORT/KEY, a key of etcd.
func Kind() locks.Kind {
	params := []locks.Param{
		{Name: "user", Meaning: "name to authenticate with; with `password-file`"},
		{Name: "password-file", Type: locks.File, Meaning: "file that holds the password of `user`; read again when it is needed again"},
	}
	return locks.Kind{
		Form: locks.Form{
			Scheme: "etcd", Usage: "etcd:http://HOST:PORT/KEY",
			Summary:     "a key of etcd, made if it is not there; several members as HOST:PORT,HOST:PORT, with TLS as https://",
			Rest:        locks.HTTP,
			Credentials: "user and password-file",
			Params:      append(params, credentials.Params()...),
		},
		Parse: parse,
	}
}

func parse(v *locks.Value) (locks.Spec, error) {
	var errs []error
	key := strings.TrimPrefix(v.Path, "/")
	if key == "" {
		errs = append(errs, errors.New("no key follows the hosts; write etcd:http://HOST:PORT/KEY"))
	} else if err := checkKey(key); err != nil {
		errs = append(errs, err)
	}
	o := Options{Key: key, User: v.Str("user"), PasswordFile: v.Str("password-file")}
	if (o.User == "") != (o.PasswordFile == "") {
		errs = append(errs, errors.New("user and password-file go together; give both or none"))
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
		Identity: "etcd:" + scheme + strings.Join(v.Hosts, ",") + v.Path,
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
