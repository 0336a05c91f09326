// Package v2 is what dashboard-linter's code for Grafana's second schema needs so as to compile. The
// chart's dashboards are in the first schema: one that is in the second is refused, and not looked at
// in part.
package v2

import "errors"

type DashboardSpec struct {
	Title       string
	Editable    *bool
	Elements    map[string]DashboardElement
	Variables   []DashboardVariableKind
	Annotations []DashboardAnnotationQueryKind
}

// UnmarshalJSON always fails: thus nothing below ever has a value.
func (*DashboardSpec) UnmarshalJSON([]byte) error {
	return errors.New("this build of dashboard-linter reads dashboards of Grafana's first schema only")
}

type DashboardElement struct{ PanelKind *kind[DashboardPanelSpec] }

type kind[Spec any] struct{ Spec Spec }

type DashboardPanelSpec struct {
	Id          float64
	Title       string
	Description string
	VizConfig   struct {
		Group string
		Spec  struct{ FieldConfig, Options any }
	}
	Data kind[struct{ Queries []DashboardPanelQueryKind }]
}

type DashboardPanelQueryKind = kind[struct {
	RefId  string
	Hidden bool
	Query  DashboardDataQueryKind
}]

type DashboardDataQueryKind struct {
	Group      string
	Datasource *struct{ Name *string }
	Spec       map[string]any
}

type DashboardAnnotationQueryKind = kind[struct {
	Name  string
	Query DashboardDataQueryKind
}]

type DashboardVariableKind struct {
	QueryVariableKind *kind[struct {
		Name            string
		Label, AllValue *string
		Multi           bool
		Refresh         DashboardVariableRefresh
		Query           DashboardDataQueryKind
	}]
	DatasourceVariableKind *kind[struct {
		Name            string
		Label, AllValue *string
		Multi           bool
		Refresh         DashboardVariableRefresh
		PluginId        string
	}]
	CustomVariableKind, IntervalVariableKind, ConstantVariableKind, TextVariableKind,
	AdhocVariableKind, GroupByVariableKind, SwitchVariableKind *kind[struct {
		Name            string
		Label, AllValue *string
		Multi           bool
		Query           string
	}]
}

type DashboardVariableRefresh string

const (
	DashboardVariableRefreshOnTimeRangeChanged DashboardVariableRefresh = "onTimeRangeChanged"
	DashboardVariableRefreshOnDashboardLoad    DashboardVariableRefresh = "onDashboardLoad"
)
