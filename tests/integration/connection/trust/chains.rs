//! From the server's certificate to a root, and when.

use super::*;

const LONGEST: &str = "there are at most six others";

#[test]
#[rustfmt::skip]
fn chains() {
    let root = authority("root").self_signed();
    let stranger = authority("stranger").self_signed();
    let namesake = authority("root").self_signed();
    let middle = authority("middle").signed_by(&root);
    let lower = authority("lower").signed_by(&middle);
    let direct = local().signed_by(&root);
    let below = local().signed_by(&middle);
    let deep = local().signed_by(&lower);
    let like_root = leaf("root").dns(&["localhost"]).signed_by(&root);
    let mut many = vec![authority("0").signed_by(&root)];
    for number in 1..7 {
        many.push(authority(&number.to_string()).signed_by(many.last().unwrap()));
    }
    let bottom = local().signed_by(many.last().unwrap());
    let mut longest = vec![&bottom];
    longest.extend(many.iter().rev());
    let forged = local().signed_by(&root).forged();
    let forged_middle = authority("middle").key(&middle.key).signed_by(&root).forged();
    let forged_root = authority("root").key(&root.key).self_signed().forged();
    let crossed = authority("root").key(&root.key).signed_by(&stranger);
    let too_simple = leaf("localhost").version_1().signed_by(&middle);
    agree([
        case("root", &[&direct], &[&root]),
        case("root, served too", &[&direct, &root], &[&root]),
        case("unknown root", &[&direct], &[&stranger]),
        case("unknown root, served too", &[&direct, &root], &[&stranger]),
        case("one of two roots", &[&direct], &[&stranger, &root]),
        case("one of two roots of the same name", &[&direct], &[&namesake, &root])
            .kinder(BY_THE_SIGNATURE),
        case("a root of the same name", &[&direct], &[&namesake]),
        case("forged", &[&forged], &[&root]),
        case("of the same name as its root", &[&like_root], &[&root]).kinder(BY_THE_SIGNATURE),
        case("intermediate", &[&below, &middle], &[&root]),
        case("intermediate and root served", &[&below, &middle, &root], &[&root]),
        case("intermediate not served", &[&below], &[&root]),
        case("intermediate among the roots", &[&below], &[&root, &middle]),
        case("intermediate alone as root", &[&below], &[&middle]),
        case("intermediate alone as root, served too", &[&below, &middle], &[&middle]),
        case("intermediate alone as root, all served", &[&below, &middle, &root], &[&middle]),
        case("forged intermediate", &[&below, &forged_middle], &[&root]),
        case("forged root", &[&direct], &[&forged_root]),
        case("two intermediates", &[&deep, &lower, &middle], &[&root]),
        case("two intermediates in any order", &[&deep, &middle, &lower], &[&root]),
        case("two intermediates, one missing", &[&deep, &lower], &[&root]),
        case("two intermediates, one among the roots", &[&deep, &lower], &[&root, &middle]),
        case("seven intermediates", &longest, &[&root]).stricter(LONGEST),
        case("a root that another has signed, served", &[&direct, &crossed], &[&stranger]),
        case("a root that another has signed, as root", &[&direct], &[&crossed]),
        case("a root that another has signed, and the other", &[&direct], &[&crossed, &stranger]),
        case("something else beside", &[&direct, &stranger], &[&root]),
        case("version 1 below an intermediate", &[&too_simple, &middle], &[&root]),
    ]);
}

#[test]
#[rustfmt::skip]
fn times() {
    let root = authority("root").self_signed();
    let old_root = authority("root").key(&root.key).valid(-30, -1).self_signed();
    let new_root = authority("root").key(&root.key).valid(1, 30).self_signed();
    let direct = local().signed_by(&root);
    let at = |what: &str, from, until| {
        case(what, &[&local().valid(from, until).signed_by(&root)], &[&root])
    };
    let below = |what: &str, from, until| {
        let middle = authority("middle").valid(from, until).signed_by(&root);
        case(what, &[&local().signed_by(&middle), &middle], &[&root])
    };
    let version_1 = |what: &str, from, until, root: &Certificate| {
        let simple = leaf("localhost").version_1().valid(from, until).signed_by(root);
        case(what, &[&simple], &[root])
    };
    agree([
        at("expired", -30, -1),
        at("not valid yet", 1, 30),
        at("never valid", 1, -1),
        below("intermediate expired", -30, -1),
        below("intermediate not valid yet", 1, 30),
        case("root expired", &[&direct], &[&old_root]),
        case("root not valid yet", &[&direct], &[&new_root]),
        case("root expired, with its successor", &[&direct], &[&old_root, &root]),
        case("root with its expired predecessor", &[&direct], &[&root, &old_root]),
        case("root expired, successor served", &[&direct, &root], &[&old_root]),
        version_1("version 1 expired", -30, -1, &root),
        version_1("version 1 not valid yet", 1, 30, &root),
        version_1("version 1, root expired", -30, 30, &old_root),
    ]);
}
