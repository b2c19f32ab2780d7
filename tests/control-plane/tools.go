//go:build tools

// Package tools pins the control plane that the tests run against. `cargo xtask test` builds these programs, and each
// folder of cmd/ besides.
package tools

import (
	_ "go.etcd.io/etcd/server/v3"
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kube-controller-manager"
	_ "k8s.io/kubernetes/cmd/kubectl"
)
