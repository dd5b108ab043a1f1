//! The plans that a network knows: those built in, and its own (NS-107).

use alloc::{string::String, sync::Arc, vec::Vec};

use super::{ALL, FrequencyPlan, PlanError, PlanProblem, UnknownPlan};

/// Frequency plans by id. A plan of one's own takes the place of a built-in one with the same id.
///
/// ```
/// use ttn_mac::plan::Plans;
///
/// let mut own = Plans::default().get("EU_863_870_TTN")?.as_ref().clone();
/// own.id = "MY_VALLEY".into();
/// let plans = Plans::new(vec![own])?;
/// assert_eq!(plans.get("MY_VALLEY")?.band_id, plans.get("EU_863_870")?.band_id);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Plans {
    plans: Vec<Arc<FrequencyPlan>>,
}

impl Default for Plans {
    /// Those built in.
    fn default() -> Self {
        Self { plans: ALL.iter().cloned().map(Arc::new).collect() }
    }
}

impl Plans {
    /// A network's own plans, and those built in.
    ///
    /// # Errors
    ///
    /// The first plan that makes no sense, or whose id another one has.
    pub fn new(own: Vec<FrequencyPlan>) -> Result<Self, PlanError> {
        let mut plans: Vec<Arc<FrequencyPlan>> = Vec::new();
        for plan in own {
            plan.validate()?;
            if plans.iter().any(|other| other.id == plan.id) {
                return Err(PlanError::new(&plan.id, "id", PlanProblem::Duplicate));
            }
            plans.push(Arc::new(plan));
        }
        let own = plans.len();
        for plan in &ALL {
            if !plans.iter().take(own).any(|other| other.id == plan.id) {
                plans.push(Arc::new(plan.clone()));
            }
        }
        Ok(Self { plans })
    }

    /// Finds a plan.
    ///
    /// # Errors
    ///
    /// There is none with this id.
    pub fn get(&self, id: &str) -> Result<&Arc<FrequencyPlan>, UnknownPlan> {
        let unknown = || UnknownPlan::new(id, self.iter());
        self.plans.iter().find(|plan| plan.id == id).ok_or_else(unknown)
    }

    /// All plans, the network's own ones first.
    pub fn iter(&self) -> impl Iterator<Item = &FrequencyPlan> {
        self.plans.iter().map(AsRef::as_ref)
    }
}

impl UnknownPlan {
    pub(super) fn new<'p>(id: &str, known: impl Iterator<Item = &'p FrequencyPlan>) -> Self {
        Self {
            id: id.chars().take(Self::ID_LENGTH_MAX).collect(),
            known: known.map(|plan| String::from(&*plan.id)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::{string::ToString as _, vec};

    use super::*;

    fn own(id: &'static str) -> FrequencyPlan {
        FrequencyPlan {
            id: id.into(),
            max_eirp: Some(7.0),
            ..super::super::get("EU_433").unwrap().clone()
        }
    }

    // NS-107
    #[test]
    fn a_plan_of_ones_own_stands_beside_or_before_those_built_in() {
        let plans = Plans::new(vec![own("MINE"), own("EU_863_870")]).unwrap();
        assert_eq!(plans.get("MINE").unwrap().max_eirp, Some(7.0));
        assert_eq!(plans.get("EU_863_870").unwrap().max_eirp, Some(7.0));
        assert_eq!(**plans.get("EU_433").unwrap(), *super::super::get("EU_433").unwrap());
        assert_eq!(plans.iter().count(), ALL.len() + 1);
    }

    // NS-107
    #[test]
    fn what_is_wrong_names_the_plan() {
        let twice = Plans::new(vec![own("MINE"), own("MINE")]).unwrap_err();
        assert!(twice.to_string().contains("MINE"), "{twice}");
        let unknown = Plans::new(vec![own("MINE")]).unwrap().get("YOURS").unwrap_err().to_string();
        assert!(
            unknown.starts_with("no frequency plan \"YOURS\"; known: MINE EU_863_870 "),
            "{unknown}"
        );
    }
}
