{{/* What the operator does in the namespaces that it looks after. No wildcard and no Secret. It makes
Roles for daemons, and Kubernetes lets nobody grant what he does not have: so it has `update` on Leases
and on the status of DeviceClusters for their sake, too. */}}
{{- define "fractos.operatorRules" -}}
# TaskGraphs: run, recorded, and deleted after their time.
- apiGroups: [fractos.dev]
  resources: [taskgraphs]
  verbs: [get, list, watch, delete]
- apiGroups: [fractos.dev]
  resources: [taskgraphs/status]
  verbs: [update]
# DeviceClusters: turned into what follows. Daemons write their epoch into the status.
- apiGroups: [fractos.dev]
  resources: [deviceclusters]
  verbs: [get, list, watch]
- apiGroups: [fractos.dev]
  resources: [deviceclusters/status]
  verbs: [update, patch]
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [get, list, watch, create, patch]
- apiGroups: [""]
  resources: [services, serviceaccounts]
  verbs: [get, list, watch, create, patch]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles, rolebindings]
  verbs: [get, list, watch, create, patch]
# Deleted when a cluster has one replica only.
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch]
# Made of spec.volume.claimTemplate; never deleted, for they hold what devices keep.
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, list, watch, create]
# Replaced one by one on updates, and when their node is gone.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch, delete]
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
# Each DeviceCluster's Lease is made here and held by its daemons; each is watched by its name.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get, watch, create, update]
{{- end -}}
