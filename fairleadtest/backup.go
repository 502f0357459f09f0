package fairleadtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// The data of etcd, and a copy of it.
const (
	etcdData   = "etcd"
	etcdBackup = "etcd.backup"
)

// Backup restarts the cluster and keeps a copy of its data, in place of one
// from before.
func (c *Cluster) Backup(ctx context.Context) error {
	if err := c.Stop(); err != nil {
		return err
	}
	if err := c.copyData(etcdData, etcdBackup); err != nil {
		return fmt.Errorf("back cluster %s up: %w", c.name, err)
	}
	return c.Start(ctx)
}

// Restore restarts the cluster with the data of the last Backup. What was written
// since is lost, and resourceVersions are given out again that were given out
// before: it is a restore that does not move the revision on.
func (c *Cluster) Restore(ctx context.Context) error {
	if err := c.Stop(); err != nil {
		return err
	}
	if err := c.copyData(etcdBackup, etcdData); err != nil {
		return fmt.Errorf("restore cluster %s: %w", c.name, err)
	}
	return c.Start(ctx)
}

func (c *Cluster) copyData(from, to string) error {
	to = filepath.Join(c.dir, to)
	if _, err := os.Stat(filepath.Join(c.dir, from)); err != nil {
		return err // before what is there is removed
	}
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	return os.CopyFS(to, os.DirFS(filepath.Join(c.dir, from)))
}
