//! Who may do what: pure functions over memberships.

use ttn_core::auth::{Right, Rights};

/// The rights of a user on an entity: direct ∪ (the organization's ∩ the member's), implied ones included (IS-23).
///
/// `through` has one pair per organization of the user: its rights on the entity, and his in it.
#[must_use]
pub fn effective(direct: Rights, through: &[(Rights, Rights)]) -> Rights {
    through.iter().fold(direct.implied(), |all, (organization, member)| {
        all.union(organization.implied().intersection(member.implied()))
    })
}

/// The rights that the state of a user's account leaves him (IS-06). `state` is that of the API.
#[must_use]
pub fn allowed_in_state(state: i32) -> Rights {
    let few: &[Right] = match state {
        STATE_REQUESTED => &[Right::UserInfo, Right::UserSettingsBasic, Right::UserDelete],
        STATE_REJECTED => &[Right::UserInfo, Right::UserDelete],
        STATE_SUSPENDED => &[Right::UserInfo],
        // Approved, and flagged: somebody looks at him, nothing is taken from him.
        STATE_APPROVED | STATE_FLAGGED => return all(),
        // A state of a newer version: rather too little.
        _ => &[Right::UserInfo],
    };
    few.iter().copied().collect()
}

/// What a caller lacks to change somebody's rights from `old` to `new`: nobody gives or takes what he lacks (IS-25).
#[must_use]
pub fn missing_for_change(caller: Rights, old: Rights, new: Rights) -> Rights {
    let (old, new, caller) = (old.implied(), new.implied(), caller.implied());
    new.difference(old).union(old.difference(new)).difference(caller)
}

/// Whether rights cover everything on a kind of entity.
#[must_use]
pub fn owns(rights: Rights, all_of_kind: Right) -> bool {
    rights.implied().contains(all_of_kind)
}

/// Every right.
#[must_use]
pub fn all() -> Rights {
    Rights::from_iter([Right::All]).implied()
}

/// Of `rights`, those whose names start with a prefix such as `RIGHT_APPLICATION_`.
#[must_use]
pub fn of_kind(rights: Rights, prefix: &str) -> Rights {
    rights.iter().filter(|right| right.name().starts_with(prefix)).collect()
}

/// The account waits for approval.
pub const STATE_REQUESTED: i32 = 0;
/// The account may be used.
pub const STATE_APPROVED: i32 = 1;
/// The account was refused.
pub const STATE_REJECTED: i32 = 2;
/// The account may be used and is looked at.
pub const STATE_FLAGGED: i32 = 3;
/// The account may not be used.
pub const STATE_SUSPENDED: i32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn set(rights: &[Right]) -> Rights {
        rights.iter().copied().collect()
    }

    // IS-23
    #[test]
    fn an_organization_gives_no_more_than_the_member_has_in_it() {
        let organization = set(&[Right::ApplicationAll]);
        let member =
            set(&[Right::ApplicationInfo, Right::ApplicationTrafficRead, Right::GatewayInfo]);
        let rights = effective(set(&[Right::ApplicationDelete]), &[(organization, member)]);
        let expected =
            [Right::ApplicationInfo, Right::ApplicationDelete, Right::ApplicationTrafficRead];
        assert_eq!(rights, set(&expected));
        assert_eq!(effective(Rights::NONE, &[]), Rights::NONE);
    }

    // IS-06
    #[test]
    fn states_restrict_rights() {
        assert!(allowed_in_state(STATE_APPROVED).contains(Right::All));
        assert!(!allowed_in_state(STATE_REQUESTED).contains(Right::UserApplicationsCreate));
        assert!(allowed_in_state(STATE_REJECTED).contains(Right::UserDelete));
        assert_eq!(allowed_in_state(STATE_SUSPENDED), set(&[Right::UserInfo]));
        assert_eq!(allowed_in_state(99), set(&[Right::UserInfo]));
    }

    // IS-25
    #[test]
    fn nobody_gives_or_takes_what_he_lacks() {
        let caller = set(&[Right::ApplicationInfo, Right::ApplicationLink]);
        let give = set(&[Right::ApplicationTrafficRead]);
        assert!(missing_for_change(caller, Rights::NONE, give).is_empty());
        let too_much = set(&[Right::ApplicationTrafficRead, Right::ApplicationDelete]);
        assert_eq!(
            missing_for_change(caller, Rights::NONE, too_much),
            set(&[Right::ApplicationDelete])
        );
        assert_eq!(
            missing_for_change(caller, too_much, Rights::NONE),
            set(&[Right::ApplicationDelete])
        );
    }
}
